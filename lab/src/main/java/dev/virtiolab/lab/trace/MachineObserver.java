package dev.virtiolab.lab.trace;

import dev.virtiolab.firmware.iommu.DmaObserver;
import dev.virtiolab.iommu.PlatformObserver;
import dev.virtiolab.pci.function.DmaFaultObserver;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.virtio.net.NicObserver;

/**
 * Told of everything that happens in a machine: by the device, by its access to memory, by the
 * platform, and by PciIo on behalf of the drivers. Calls come from the guest's thread and from the
 * device's.
 */
public interface MachineObserver
    extends NicObserver, DmaFaultObserver, PlatformObserver, DmaObserver {

  /** Listens to nothing. */
  MachineObserver NONE = new MachineObserver() {};

  /** Two observers as one, each told everything. */
  static MachineObserver both(MachineObserver first, MachineObserver second) {
    return second == NONE ? first : first == NONE ? second : new BothObservers(first, second);
  }

  /**
   * Whoever steps the machine tells a step of it, and what that showed.
   *
   * @param actor who took the step
   * @param what in a few words
   */
  default void noted(String actor, String what) {}

  @Override
  default void faulted(long address, DmaAccess access, DmaFault reason) {}
}
