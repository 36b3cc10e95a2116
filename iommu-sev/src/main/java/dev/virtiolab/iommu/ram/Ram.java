package dev.virtiolab.iommu.ram;

import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.pci.memory.RamRegion;
import java.util.List;

/** All banks of RAM, and the pages in them. */
public final class Ram {
  /** A page is 4 KiB. */
  public static final int PAGE_SHIFT = 12;

  /** Bytes in a page. */
  public static final int PAGE_BYTES = 1 << PAGE_SHIFT;

  /** Of an address: the part within its page. */
  public static final long PAGE_MASK = PAGE_BYTES - 1;

  private final RamBank[] banks;
  // A PC has two, below and above 4 GiB: found without touching the array. Firmware allocates from
  // the top.
  private final RamBank first;
  private final RamBank last;
  private final int pages;

  public Ram(PhysicalMemory memory) {
    List<RamRegion> regions = memory.regions();
    banks = new RamBank[regions.size()];
    int page = 0;
    for (int i = 0; i < banks.length; i++) {
      banks[i] = new RamBank(regions.get(i), page);
      page = banks[i].limitPage();
    }
    first = banks[0];
    last = banks[banks.length - 1];
    pages = page;
  }

  /** Number of pages in all banks. */
  public int pages() {
    return pages;
  }

  /** The bank that holds {@code address}, or null where there is no RAM. */
  public RamBank find(long address) {
    if (last.contains(address)) {
      return last;
    }
    if (first.contains(address)) {
      return first;
    }
    for (int i = 1; i < banks.length - 1; i++) {
      if (banks[i].contains(address)) {
        return banks[i];
      }
    }
    return null;
  }

  /**
   * The bank that holds {@code address}.
   *
   * @throws IndexOutOfBoundsException where there is no RAM
   */
  public RamBank bank(long address) {
    RamBank bank = find(address);
    if (bank == null) {
      throw new IndexOutOfBoundsException("no RAM at address=0x%x".formatted(address));
    }
    return bank;
  }

  /** The bank of page number {@code page}, which is below {@link #pages()}. */
  public RamBank bankOfPage(int page) {
    for (RamBank bank : banks) {
      if (page >= bank.firstPage() && page < bank.limitPage()) {
        return bank;
      }
    }
    throw new IndexOutOfBoundsException("no RAM page number " + page);
  }

  /**
   * Checks that {@code [address, address + length)} stays within one page.
   *
   * @throws IllegalArgumentException if it does not, or the length is negative
   */
  public static void checkWithinPage(long address, long length) {
    if (length < 0 || length > PAGE_BYTES - (address & PAGE_MASK)) {
      throw new IllegalArgumentException(
          "range crosses a page: address=0x%x length=%d".formatted(address, length));
    }
  }
}
