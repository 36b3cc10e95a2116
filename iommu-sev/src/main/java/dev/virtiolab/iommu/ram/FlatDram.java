package dev.virtiolab.iommu.ram;

import dev.virtiolab.pci.memory.RawDram;
import java.lang.foreign.MemorySegment;

/** DRAM that lies where the guest believes it to, in plaintext. */
public final class FlatDram implements RawDram {
  private final Ram ram;

  /** DRAM behind {@code ram}. */
  public FlatDram(Ram ram) {
    this.ram = ram;
  }

  @Override
  public long systemPhysical(long address) {
    ram.bank(address);
    return address;
  }

  @Override
  public void read(long systemPhysical, MemorySegment target, long targetOffset, long length) {
    Ram.checkWithinPage(systemPhysical, length);
    RamBank bank = ram.bank(systemPhysical);
    MemorySegment.copy(bank.segment(), bank.offset(systemPhysical), target, targetOffset, length);
  }

  @Override
  public void write(long systemPhysical, MemorySegment source, long sourceOffset, long length) {
    Ram.checkWithinPage(systemPhysical, length);
    RamBank bank = ram.bank(systemPhysical);
    MemorySegment.copy(source, sourceOffset, bank.segment(), bank.offset(systemPhysical), length);
  }
}
