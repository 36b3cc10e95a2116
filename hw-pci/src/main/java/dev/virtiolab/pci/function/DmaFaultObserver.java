package dev.virtiolab.pci.function;

import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;

/** Told of each access of a bus master that was refused, on the device's thread. */
@FunctionalInterface
public interface DmaFaultObserver {

  /** Listens to nothing. */
  DmaFaultObserver NONE = (address, access, reason) -> {};

  /**
   * @param address the bus address that did not resolve
   */
  void faulted(long address, DmaAccess access, DmaFault reason);
}
