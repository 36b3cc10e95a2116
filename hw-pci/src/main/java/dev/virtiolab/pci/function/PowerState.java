package dev.virtiolab.pci.function;

/** The states that {@link PowerManagement} has (PCI Bus Power Management 1.2, 5.4). */
public enum PowerState {
  /** Working. */
  D0,
  /** Only configuration space answers: no memory decode, no bus mastering, no interrupts. */
  D3_HOT
}
