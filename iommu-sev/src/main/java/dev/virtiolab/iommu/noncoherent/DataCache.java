package dev.virtiolab.iommu.noncoherent;

import dev.virtiolab.iommu.PlatformObserver;
import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.pci.cpu.CpuCache;
import dev.virtiolab.pci.memory.PhysicalMemory;

/** The cache over all banks of RAM. */
final class DataCache implements CpuCache {
  private final CachedBank[] banks;
  // A PC has two, below and above 4 GiB: found without touching the array. Firmware allocates from
  // the top.
  private final CachedBank first;
  private final CachedBank last;
  private final CacheTally tally = new CacheTally();
  private volatile PlatformObserver observer = PlatformObserver.NONE;

  /**
   * @param copies memory with the same regions as {@code memory}, for the lines that are in the
   *     cache
   */
  DataCache(PhysicalMemory memory, PhysicalMemory copies) {
    Ram ram = new Ram(memory);
    Ram shadows = new Ram(copies);
    banks =
        memory.regions().stream()
            .map(
                region ->
                    new CachedBank(ram.bank(region.base()), shadows.bank(region.base()), tally))
            .toArray(CachedBank[]::new);
    first = banks[0];
    last = banks[banks.length - 1];
  }

  void observe(PlatformObserver listener) {
    observer = listener;
  }

  NonCoherentCounters counters() {
    return tally.counters();
  }

  /**
   * The bank that holds {@code address}.
   *
   * @throws IndexOutOfBoundsException where there is no RAM
   */
  CachedBank bank(long address) {
    if (last.contains(address)) {
      return last;
    }
    return first.contains(address) ? first : bankBetween(address);
  }

  private CachedBank bankBetween(long address) {
    for (int i = 1; i < banks.length - 1; i++) {
      if (banks[i].contains(address)) {
        return banks[i];
      }
    }
    throw new IndexOutOfBoundsException("no RAM at address=0x%x".formatted(address));
  }

  private CachedBank bank(long address, long length) {
    CachedBank bank = bank(address);
    bank.check(address, length);
    return bank;
  }

  private CachedBank bankOfPages(long address, long pages) {
    if ((address & Ram.PAGE_MASK) != 0) {
      throw new IllegalArgumentException("no page begins at address=0x%x".formatted(address));
    }
    if (pages < 0 || pages > Long.MAX_VALUE >> Ram.PAGE_SHIFT) {
      throw new IndexOutOfBoundsException("no such range: pages=" + pages);
    }
    return bank(address, pages << Ram.PAGE_SHIFT);
  }

  @Override
  public int lineBytes() {
    return CachedBank.LINE_BYTES;
  }

  @Override
  public void writeBack(long address, long length) {
    CachedBank bank = bank(address, length);
    bank.writeBack(bank.offset(address), length);
    observer.maintained(address, length, true, false);
  }

  @Override
  public void invalidate(long address, long length) {
    CachedBank bank = bank(address, length);
    bank.invalidate(bank.offset(address), length);
    observer.maintained(address, length, false, true);
  }

  @Override
  public void writeBackInvalidate(long address, long length) {
    CachedBank bank = bank(address, length);
    bank.writeBack(bank.offset(address), length);
    bank.invalidate(bank.offset(address), length);
    observer.maintained(address, length, true, true);
  }

  @Override
  public void setUncached(long address, long pages) {
    CachedBank bank = bankOfPages(address, pages);
    bank.setUncached(bank.offset(address), pages);
  }

  @Override
  public void setCached(long address, long pages) {
    CachedBank bank = bankOfPages(address, pages);
    bank.setCached(bank.offset(address), pages);
  }

  @Override
  public boolean isUncached(long address) {
    CachedBank bank = bank(address);
    return bank.isUncached(bank.offset(address));
  }
}
