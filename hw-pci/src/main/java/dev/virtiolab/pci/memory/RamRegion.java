package dev.virtiolab.pci.memory;

import java.lang.foreign.MemorySegment;

/**
 * A contiguous range of RAM.
 *
 * @param base first guest-physical address, a multiple of 4 KiB
 * @param segment the bytes; its size is a multiple of 4 KiB, its memory is aligned to 8 bytes
 */
public record RamRegion(long base, MemorySegment segment) {

  /**
   * @throws InvalidMemoryException if address or size are not whole pages, or the region is empty,
   *     read-only, on the heap, or ends above {@link PhysicalMemory#ADDRESS_LIMIT}
   */
  public RamRegion {
    long bytes = segment.byteSize();
    if (bytes == 0 || ((base | bytes) & (PhysicalMemory.PAGE_BYTES - 1)) != 0) {
      throw new InvalidMemoryException(base, bytes, "a region is one or more pages of 4 KiB");
    }
    if (base < 0
        || bytes > PhysicalMemory.ADDRESS_LIMIT
        || base > PhysicalMemory.ADDRESS_LIMIT - bytes) {
      throw new InvalidMemoryException(base, bytes, "a region ends below 64 TiB");
    }
    // Heap arrays and odd addresses refuse the aligned 16-bit accesses that rings need.
    if (!segment.isNative() || segment.isReadOnly() || segment.address() % 8 != 0) {
      throw new InvalidMemoryException(
          base, bytes, "a region is writable native memory, aligned to 8 bytes");
    }
  }

  /** One past the last guest-physical address. */
  public long limit() {
    return base + segment.byteSize();
  }

  public boolean contains(long address) {
    return address >= base && address < limit();
  }
}
