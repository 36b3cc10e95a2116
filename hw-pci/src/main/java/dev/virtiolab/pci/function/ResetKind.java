package dev.virtiolab.pci.function;

/** Who resets a function. All three leave it as it came up; the function may count them apart. */
public enum ResetKind {
  /** The machine is switched on. */
  POWER_ON,
  /** The bus above is reset: a bridge's Secondary Bus Reset. */
  BUS,
  /** PCI Express Base 3.0, 6.6.2 "Function-Level Reset (FLR)". */
  FUNCTION_LEVEL
}
