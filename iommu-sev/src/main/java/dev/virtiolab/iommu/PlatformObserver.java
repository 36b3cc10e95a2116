package dev.virtiolab.iommu;

import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;

/**
 * Told of what a platform does, as it does it, on the thread that made it happen: the guest's for
 * everything but a fault, which is on the device's. A platform tells only what it has; whoever
 * listens picks what it wants.
 *
 * <p>Nothing may be thrown, and nothing of the platform asked that would change it.
 */
public interface PlatformObserver {

  /** Listens to nothing. */
  PlatformObserver NONE = new PlatformObserver() {};

  /**
   * The C-bit of a run of pages was cleared or set. Pages that were so already are not among them.
   *
   * @param address guest-physical address of the first page
   * @param pages of 4 KiB, at least 1
   * @param shared whether outsiders see the bytes as the guest does from now on
   */
  default void flipped(long address, long pages, boolean shared) {}

  /**
   * A bus master's access was refused.
   *
   * @param requesterId as in {@link Platform#busMemory}
   * @param address the bus address that did not resolve
   */
  default void faulted(int requesterId, long address, DmaAccess access, DmaFault reason) {}

  /**
   * The guest made the IOMMU forget what it had cached.
   *
   * @param scope what was forgotten, in the IOMMU's own words
   * @param address first bus address of the range; 0 where everything in the scope went
   * @param pages of 4 KiB; 0 where everything in the scope went
   */
  default void invalidated(String scope, long address, long pages) {}

  /**
   * Lines of the CPU's cache met memory.
   *
   * @param address guest-physical address of the range that the guest named
   * @param bytes of it
   * @param writtenBack whether dirty lines went to memory
   * @param forgotten whether the lines are no longer in the cache
   */
  default void maintained(long address, long bytes, boolean writtenBack, boolean forgotten) {}
}
