package dev.virtiolab.pci.memory;

/** What a bus master wants of memory. */
public enum DmaAccess {
  /** The device reads memory: the driver's BusMasterRead. */
  READ,
  /** The device writes memory: the driver's BusMasterWrite. */
  WRITE
}
