package dev.virtiolab.pci.memory;

/** Why a bus master's access did not reach memory. */
public enum DmaFault {
  /** It did. */
  NONE,
  /** The function's bus-master enable is clear (PCI Local Bus 3.0, 6.2.2 Device Control). */
  BUS_MASTER_DISABLED,
  /** Translation is on and holds no entry for the page. */
  NOT_MAPPED,
  /** The entry does not permit this access. */
  NOT_PERMITTED,
  /** No RAM answers at the address: a master abort. */
  NO_MEMORY
}
