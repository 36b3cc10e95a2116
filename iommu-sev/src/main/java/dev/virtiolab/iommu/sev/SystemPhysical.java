package dev.virtiolab.iommu.sev;

import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.iommu.ram.RamBank;
import java.util.random.RandomGenerator;

/**
 * Where each guest page lies in DRAM: a fixed permutation of the RAM pages in which no page stays
 * in place. What nested page tables do on hardware, without their tables.
 */
final class SystemPhysical {
  private final Ram ram;
  private final int[] systemPage;
  private final int[] guestPage;

  /**
   * @throws IllegalArgumentException if there is one page only, which has nowhere else to lie
   */
  SystemPhysical(Ram ram, RandomGenerator layout) {
    int pages = ram.pages();
    if (pages < 2) {
      throw new IllegalArgumentException("encrypted memory needs two pages; pages=" + pages);
    }
    this.ram = ram;
    systemPage = new int[pages];
    guestPage = new int[pages];
    for (int page = 0; page < pages; page++) {
      systemPage[page] = page;
    }
    // Sattolo's shuffle: one cycle through all pages, hence no page that stays.
    for (int i = pages - 1; i > 0; i--) {
      int j = layout.nextInt(i);
      int swapped = systemPage[i];
      systemPage[i] = systemPage[j];
      systemPage[j] = swapped;
    }
    for (int page = 0; page < pages; page++) {
      guestPage[systemPage[page]] = page;
    }
  }

  /** System-physical address of the first byte of guest page number {@code page}. */
  long ofPage(int page) {
    int system = systemPage[page];
    return ram.bankOfPage(system).address(system);
  }

  /**
   * Number of the guest page that holds {@code systemPhysical}.
   *
   * @throws IndexOutOfBoundsException where there is no DRAM
   */
  int guestPage(long systemPhysical) {
    RamBank bank = ram.bank(systemPhysical);
    return guestPage[bank.page(systemPhysical)];
  }
}
