package dev.virtiolab.pci.memory;

/** Why a bus master's access did not reach memory. */
public enum DmaFault {
  /** It did. */
  NONE,
  /** The function's bus-master enable is clear (PCI Local Bus 3.0, 6.2.2 Device Control). */
  BUS_MASTER_DISABLED,
  /**
   * The translation was asked for where it is kept, and the answer has not come yet: who is told of
   * it tries again.
   */
  TRANSLATION_PENDING,
  /**
   * Memory that is reached by messages has put the access off, as a PCI target does that says Retry
   * (PCI Local Bus 3.0, 3.3.3.2.1 "Target Termination Signaled by the Target"): who is told of it
   * tries again.
   */
  RETRY,
  /** Translation is on and holds no entry for the page. */
  NOT_MAPPED,
  /** The entry does not permit this access. */
  NOT_PERMITTED,
  /** No RAM answers at the address: a master abort. */
  NO_MEMORY;

  /**
   * Whether the access may succeed later although nobody mends it: what was to be accessed is left
   * as it is, and tried again.
   */
  public boolean mayPass() {
    return this == BUS_MASTER_DISABLED || this == TRANSLATION_PENDING || this == RETRY;
  }
}
