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
  private static final MemorySegment ZEROS = MemorySegment.ofArray(new byte[Ram.PAGE_BYTES]);

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

  /**
   * Sets {@code [address, address + length)} to {@code value}. Zeroing, which is done for every
   * frame, is a copy of zeros: a slice to fill would be an object each time.
   *
   * @throws IndexOutOfBoundsException if the range runs past the end, or the length is negative
   */
  public void fill(long address, long length, byte value) {
    check(address, length);
    long start = offset(address);
    if (value != 0) {
      segment.asSlice(start, length).fill(value);
      return;
    }
    for (long done = 0; done < length; done += Ram.PAGE_BYTES) {
      long bytes = Math.min(Ram.PAGE_BYTES, length - done);
      MemorySegment.copy(ZEROS, 0, segment, start + done, bytes);
    }
  }
}
