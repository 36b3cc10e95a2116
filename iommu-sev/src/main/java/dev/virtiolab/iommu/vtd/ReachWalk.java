package dev.virtiolab.iommu.vtd;

import static dev.virtiolab.iommu.vtd.VtdLayout.READ;
import static dev.virtiolab.iommu.vtd.VtdLayout.WRITE;

import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.iommu.ram.RamBank;
import java.lang.foreign.MemorySegment;

/**
 * Goes through all of a context's tables, entry by entry that is present, and tells of the pages
 * that they permit. The same rules as in {@link Tables}, which goes to one page.
 *
 * <p>The tables are the guest's, who may be hostile: each entry is read once, and so many tables
 * are looked at as memory has pages, which is enough for every tree. Nothing is allocated.
 */
final class ReachWalk {
  private static final MemorySegment ZEROS = MemorySegment.ofArray(new byte[Ram.PAGE_BYTES]);
  private static final int ENTRIES = Ram.PAGE_BYTES / Long.BYTES;

  private final Ram ram;
  private ReachVisitor visitor;
  private int tablesLeft;

  // The run that may go on.
  private long busPage;
  private long memoryPage;
  private long pages;
  private long permitted;

  ReachWalk(Ram ram) {
    this.ram = ram;
  }

  /** Tells {@code to} of what follows, until {@link #end}. */
  void begin(ReachVisitor to) {
    visitor = to;
    pages = 0;
  }

  void end() {
    tellRun();
    visitor = null;
  }

  /**
   * Tells of every page that the tables of {@code context} permit, in the order of the bus.
   *
   * @return whether that was all of them
   */
  boolean tables(long context) {
    tablesLeft = ram.pages();
    return table(Tables.topTable(context), Tables.levels(context) - 1, 0, READ | WRITE);
  }

  /**
   * @param level 0 is where the pages are
   * @param above the page number's bits that lead to this table
   */
  private boolean table(long table, int level, long above, long permittedAbove) {
    RamBank bank = ram.find(table);
    if (bank == null) {
      return true;
    }
    if (tablesLeft-- == 0) {
      return false;
    }
    for (int i = used(bank, table, 0); i < ENTRIES; i = used(bank, table, i + 1)) {
      long entry = Tables.read(bank, table + (long) i * Long.BYTES);
      long both = entry & permittedAbove;
      if (both == 0) {
        continue;
      }
      long number = above << Tables.INDEX_BITS | i;
      if (level == 0) {
        if (Tables.isPage(entry)) {
          page(number, Tables.address(entry) >>> Ram.PAGE_SHIFT, both);
        }
      } else if (Tables.isTable(entry) && !table(Tables.address(entry), level - 1, number, both)) {
        return false;
      }
    }
    return true;
  }

  /** The first entry from {@code first} on that is not all zeros. */
  private static int used(RamBank bank, long table, int first) {
    long start = bank.offset(table);
    long from = (long) first * Long.BYTES;
    if (first == ENTRIES || Tables.read(bank, table + from) != 0) {
      return first;
    }
    long zeros =
        MemorySegment.mismatch(
            bank.segment(), start + from, start + Ram.PAGE_BYTES, ZEROS, from, Ram.PAGE_BYTES);
    return zeros < 0 ? ENTRIES : first + (int) (zeros / Long.BYTES);
  }

  /** Tells of one page, with the run that it goes on or begins, unless no access ends there. */
  void page(long onBus, long inMemory, long permissions) {
    if (Tables.isForInterrupts(onBus << Ram.PAGE_SHIFT)
        || ram.find(inMemory << Ram.PAGE_SHIFT) == null) {
      return;
    }
    boolean goesOn =
        onBus == busPage + pages && inMemory == memoryPage + pages && permissions == permitted;
    if (pages == 0 || !goesOn) {
      tellRun();
      busPage = onBus;
      memoryPage = inMemory;
      permitted = permissions;
    }
    pages++;
  }

  private void tellRun() {
    if (pages != 0) {
      visitor.run(busPage, memoryPage, pages, (permitted & READ) != 0, (permitted & WRITE) != 0);
      pages = 0;
    }
  }
}
