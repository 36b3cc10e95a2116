package dev.virtiolab.pci.config;

/** What a write from the bus does to a bit of a register. */
public enum AccessKind {
  /** Nothing. Every bit that no rule names is of this kind. */
  READ_ONLY,
  /** Stores it. */
  READ_WRITE,
  /** Writing 1 clears it, writing 0 leaves it. */
  WRITE_1_TO_CLEAR
}
