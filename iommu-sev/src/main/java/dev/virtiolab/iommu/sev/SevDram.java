package dev.virtiolab.iommu.sev;

import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.iommu.ram.RamBank;
import dev.virtiolab.pci.memory.RawDram;
import java.lang.foreign.MemorySegment;

/** DRAM by system-physical address: ciphertext wherever the C-bit is set. */
final class SevDram implements RawDram {
  private final Ram ram;
  private final SystemPhysical layout;
  private final SevPages pages;

  SevDram(Ram ram, SystemPhysical layout, SevPages pages) {
    this.ram = ram;
    this.layout = layout;
    this.pages = pages;
  }

  @Override
  public long systemPhysical(long address) {
    RamBank bank = ram.bank(address);
    return layout.ofPage(bank.page(address)) + (address & Ram.PAGE_MASK);
  }

  @Override
  public void read(long systemPhysical, MemorySegment target, long targetOffset, long length) {
    Ram.checkWithinPage(systemPhysical, length);
    pages.readRaw(
        layout.guestPage(systemPhysical),
        systemPhysical & Ram.PAGE_MASK,
        target,
        targetOffset,
        length);
  }

  @Override
  public void write(long systemPhysical, MemorySegment source, long sourceOffset, long length) {
    Ram.checkWithinPage(systemPhysical, length);
    pages.writeRaw(
        layout.guestPage(systemPhysical),
        systemPhysical & Ram.PAGE_MASK,
        source,
        sourceOffset,
        length);
  }
}
