package dev.virtiolab.iommu.sev;

import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.iommu.ram.RamBank;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.MappingGeneration;

/**
 * RAM without the key, by guest-physical address: shared pages as they are, private ones as
 * ciphertext. Nothing is refused, since SEV guards what memory says and not who reads it.
 *
 * <p>A window spans a run of shared pages, or one private page.
 */
final class SevBusMemory implements BusMemory {
  /** How far a run is followed to either side: what bounds the work of one resolution. */
  private static final int RUN_PAGES = 128;

  private final Ram ram;
  private final SevPages pages;
  private final MappingGeneration generation;

  SevBusMemory(Ram ram, SevPages pages, MappingGeneration generation) {
    this.ram = ram;
    this.pages = pages;
    this.generation = generation;
  }

  @Override
  public MappingGeneration generation() {
    return generation;
  }

  @Override
  public boolean resolve(long address, DmaAccess access, DmaWindow window) {
    RamBank bank = ram.find(address);
    if (bank == null) {
      return window.faulted(DmaFault.NO_MEMORY);
    }
    // Before the states are read: a flip that they do not show moves it past this value.
    long at = generation.acquire();
    int page = bank.page(address);
    int first = page;
    int limit = page + 1;
    if (pages.isSharedAcquire(page)) {
      int lowest = Math.max(bank.firstPage(), page - RUN_PAGES);
      while (first > lowest && pages.isSharedAcquire(first - 1)) {
        first--;
      }
      int highest = Math.min(bank.limitPage(), page + RUN_PAGES);
      while (limit < highest && pages.isSharedAcquire(limit)) {
        limit++;
      }
    } else {
      at = pages.sealForWindow(page);
    }
    long start = bank.address(first);
    return window.resolved(
        bank.segment(), bank.offset(start), start, (long) (limit - first) << Ram.PAGE_SHIFT, at);
  }
}
