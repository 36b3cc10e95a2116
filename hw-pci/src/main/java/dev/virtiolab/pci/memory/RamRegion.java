package dev.virtiolab.pci.memory;

import java.lang.foreign.MemorySegment;

/**
 * A contiguous range of RAM.
 *
 * @param base first guest-physical address, a multiple of 4 KiB
 * @param segment the bytes; its size is a multiple of 4 KiB
 */
public record RamRegion(long base, MemorySegment segment) {

  /** One past the last guest-physical address. */
  public long limit() {
    return base + segment.byteSize();
  }

  public boolean contains(long address) {
    return address >= base && address < limit();
  }
}
