package dev.virtiolab.iommu.ram;

import dev.virtiolab.pci.memory.RamRegion;
import java.lang.foreign.MemorySegment;

/**
 * A region of RAM with its place among all RAM pages.
 *
 * <p>Pages are numbered densely over all banks, so that a page table of RAM is one array without a
 * hole: {@link #page} is the number of the page that holds an address.
 */
public final class RamBank {
  /** First guest-physical address; a multiple of the page size. */
  private final long base;

  /** Bytes in the bank; a multiple of the page size. */
  private final long size;

  private final MemorySegment segment;
  private final int firstPage;

  RamBank(RamRegion region, int firstPage) {
    this.base = region.base();
    this.segment = region.segment();
    this.size = segment.byteSize();
    this.firstPage = firstPage;
  }

  public long base() {
    return base;
  }

  /** One past the last guest-physical address. */
  public long limit() {
    return base + size;
  }

  /** The bank's bytes, by {@link #offset}. */
  public MemorySegment segment() {
    return segment;
  }

  public boolean contains(long address) {
    // Unsigned: one comparison for both ends.
    return Long.compareUnsigned(address - base, size) < 0;
  }

  /** Where {@code address} lies in {@link #segment()}; meaningful for an address of this bank. */
  public long offset(long address) {
    return address - base;
  }

  /** Number among all RAM pages of the page that holds {@code address}, of this bank. */
  public int page(long address) {
    return firstPage + (int) ((address - base) >> Ram.PAGE_SHIFT);
  }

  /** Number of the bank's first page. */
  public int firstPage() {
    return firstPage;
  }

  /** One past the number of the bank's last page. */
  public int limitPage() {
    return firstPage + (int) (size >> Ram.PAGE_SHIFT);
  }

  /** Guest-physical address of {@code page}, one of this bank. */
  public long address(int page) {
    return base + ((long) (page - firstPage) << Ram.PAGE_SHIFT);
  }

  /**
   * Checks that {@code [address, address + length)} lies in the bank; {@code address} does already.
   *
   * @throws IndexOutOfBoundsException if the range runs past the end, or the length is negative
   */
  public void check(long address, long length) {
    if (length < 0 || length > base + size - address) {
      throw new IndexOutOfBoundsException(
          "range leaves RAM: address=0x%x length=%d bank=0x%x-0x%x"
              .formatted(address, length, base, base + size));
    }
  }
}
