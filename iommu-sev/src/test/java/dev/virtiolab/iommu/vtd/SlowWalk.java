package dev.virtiolab.iommu.vtd;

import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.pci.memory.PhysicalMemory;

/**
 * Chapter 3 and chapter 9 said once more, plainly and slowly: where an access goes if nothing is
 * cached.
 */
final class SlowWalk {
  /** Above every fault reason, and below every page of the tests that maps to itself or not. */
  static final long PAGES = 0x1000;

  private static final long HOST_ADDRESS = (1L << 46) - 1;

  private final PhysicalMemory memory;
  private final CpuMemory cpu;

  SlowWalk(VtdBench bench) {
    this.memory = bench.memory;
    this.cpu = bench.cpu;
  }

  /**
   * A page number plus {@link #PAGES}, or the number of a fault reason.
   *
   * @param bit 0 to read, 1 to write
   */
  long outcome(long root, int source, long address, int bit) {
    if (memory.regionAt(root) == null) {
      return 8;
    }
    long rootEntry = root + 16 * (source / 256);
    long low = cpu.getLong(rootEntry);
    long high = cpu.getLong(rootEntry + 8);
    if (low % 2 == 0) {
      return 1;
    }
    if (high != 0 || (low & 0xffe) != 0 || low < 0 || low > HOST_ADDRESS) {
      return 0xa;
    }
    long contextTable = low - low % 4096;
    if (memory.regionAt(contextTable) == null) {
      return 9;
    }
    long contextEntry = contextTable + 16 * (source % 256);
    return context(cpu.getLong(contextEntry), cpu.getLong(contextEntry + 8), address, bit);
  }

  private long context(long low, long high, long address, int bit) {
    if (low % 2 == 0) {
      return 2;
    }
    boolean lowReserved = (low & 0xff0) != 0 || low < 0 || low > HOST_ADDRESS;
    if (lowReserved || (high & 0x80) != 0 || high < 0 || high > 0xffff) {
      return 0xb;
    }
    int width = (int) (high & 7);
    if ((low & 0b1100) != 0 || width != 1 && width != 2) {
      return 3;
    }
    int levels = width + 2;
    if (address < 0 || address >= 1L << 12 + 9 * levels) {
      return 4;
    }
    long at = low - low % 4096;
    for (int level = levels; level >= 1; level--) {
      if (memory.regionAt(at) == null) {
        return level == levels ? 3 : 7;
      }
      long entry = cpu.getLong(at + 8 * (address >>> 12 + 9 * (level - 1) & 511));
      if ((entry >>> bit & 1) == 0) {
        return bit == 0 ? 6 : 5;
      }
      boolean large = level > 1 && (entry & 0x80) != 0;
      boolean wide = (entry & 0x000f_c000_0000_0000L) != 0;
      if (large || wide || (entry & 0x800) != 0 || (entry & 1L << 62) != 0) {
        return 0xc;
      }
      at = entry & HOST_ADDRESS - 4095;
    }
    return at >= 0xfee0_0000L && at < 0xfef0_0000L ? 0xe : PAGES + (at >>> 12);
  }
}
