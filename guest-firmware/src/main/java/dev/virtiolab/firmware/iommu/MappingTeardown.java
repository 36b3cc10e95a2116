package dev.virtiolab.firmware.iommu;

/**
 * What a {@link TeardownPolicy} may do to the IOMMU driver; all of it allocates and frees nothing.
 */
public interface MappingTeardown {

  /**
   * From now on the memory map is accepted by the operating system: Unmap brings the client's bytes
   * and takes the device's access away as ever, but frees nothing, slots and bookkeeping included.
   */
  void lockMemoryMap();

  /** Locks the memory map and unmaps whatever is still open, the latest mapping first. */
  void unmapAll();

  /**
   * Sets the C-bit of every reserved slot without converting a byte. Slots are not used any more.
   * Where memory is not encrypted there are none.
   */
  void releaseSlots();

  /**
   * Makes the IOMMU forget what it has cached and switches its translation off: from then on every
   * device reaches everything. Where nothing translates there is nothing to do.
   */
  default void stopTranslation() {}

  /** Mappings that are open now. */
  int openMappings();
}
