package dev.virtiolab.iommu.ram;

import dev.virtiolab.pci.cpu.CpuMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** RAM with nothing between the CPU and it. */
public final class FlatCpuMemory implements CpuMemory {
  private final Ram ram;

  /** What a CPU sees of {@code ram}. */
  public FlatCpuMemory(Ram ram) {
    this.ram = ram;
  }

  @Override
  public byte getByte(long address) {
    RamBank bank = ram.bank(address);
    return bank.segment().get(ValueLayout.JAVA_BYTE, bank.offset(address));
  }

  @Override
  public short getShort(long address) {
    RamBank bank = ram.bank(address);
    return bank.segment().get(LittleEndian.SHORT, bank.offset(address));
  }

  @Override
  public int getInt(long address) {
    RamBank bank = ram.bank(address);
    return bank.segment().get(LittleEndian.INT, bank.offset(address));
  }

  @Override
  public long getLong(long address) {
    RamBank bank = ram.bank(address);
    return bank.segment().get(LittleEndian.LONG, bank.offset(address));
  }

  @Override
  public void putByte(long address, byte value) {
    RamBank bank = ram.bank(address);
    bank.segment().set(ValueLayout.JAVA_BYTE, bank.offset(address), value);
  }

  @Override
  public void putShort(long address, short value) {
    RamBank bank = ram.bank(address);
    bank.segment().set(LittleEndian.SHORT, bank.offset(address), value);
  }

  @Override
  public void putInt(long address, int value) {
    RamBank bank = ram.bank(address);
    bank.segment().set(LittleEndian.INT, bank.offset(address), value);
  }

  @Override
  public void putLong(long address, long value) {
    RamBank bank = ram.bank(address);
    bank.segment().set(LittleEndian.LONG, bank.offset(address), value);
  }

  @Override
  public short getShortAcquire(long address) {
    RamBank bank = ram.bank(address);
    // Pairs with the release by which the device, or another CPU, published the value.
    return (short) LittleEndian.ALIGNED_SHORT.getAcquire(bank.segment(), bank.offset(address));
  }

  @Override
  public void putShortRelease(long address, short value) {
    RamBank bank = ram.bank(address);
    // Pairs with the acquire by which the device, or another CPU, looks at the value.
    LittleEndian.ALIGNED_SHORT.setRelease(bank.segment(), bank.offset(address), value);
  }

  @Override
  public void read(long address, MemorySegment target, long targetOffset, long length) {
    RamBank bank = ram.bank(address);
    MemorySegment.copy(bank.segment(), bank.offset(address), target, targetOffset, length);
  }

  @Override
  public void write(long address, MemorySegment source, long sourceOffset, long length) {
    RamBank bank = ram.bank(address);
    MemorySegment.copy(source, sourceOffset, bank.segment(), bank.offset(address), length);
  }

  @Override
  public void copy(long source, long target, long length) {
    RamBank from = ram.bank(source);
    RamBank to = ram.bank(target);
    MemorySegment.copy(
        from.segment(), from.offset(source), to.segment(), to.offset(target), length);
  }

  @Override
  public void fill(long address, long length, byte value) {
    RamBank bank = ram.bank(address);
    bank.fill(address, length, value);
  }
}
