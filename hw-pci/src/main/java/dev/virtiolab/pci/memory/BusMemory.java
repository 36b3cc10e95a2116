package dev.virtiolab.pci.memory;

/**
 * Memory as one bus master sees it: translated, checked, faulting. Addresses are the bus's, which
 * need not be guest-physical.
 *
 * <p>Nothing here throws on a bad address: a device's address comes from a driver that may be
 * hostile.
 */
public interface BusMemory {

  /** Moves when a window that was resolved here may no longer hold. */
  MappingGeneration generation();

  /**
   * Resolves the longest range around {@code address} that is contiguous in plain memory and
   * permits {@code access}. The window contains {@code address} but may end before the caller's
   * buffer does: then the caller resolves again at its end.
   *
   * @return whether {@code address} resolved; if not, {@link DmaWindow#fault()} says why, and an
   *     IOMMU that records faults has recorded it
   */
  boolean resolve(long address, DmaAccess access, DmaWindow window);

  /**
   * Whether an address may be {@link DmaFault#TRANSLATION_PENDING}: who must not stop half-way then
   * resolves all that it needs before it begins.
   */
  default boolean mayPend() {
    return false;
  }
}
