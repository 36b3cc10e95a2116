package dev.virtiolab.iommu.sev;

import dev.virtiolab.iommu.ram.LittleEndian;
import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.iommu.ram.RamBank;
import dev.virtiolab.pci.cpu.CpuMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/**
 * RAM through the guest's key: each access first makes sure that its pages are not sealed, one byte
 * looked up per page, and then goes to memory as it lies.
 */
final class SevCpuMemory implements CpuMemory {
  private final Ram ram;
  private final SevPages pages;

  SevCpuMemory(Ram ram, SevPages pages) {
    this.ram = ram;
    this.pages = pages;
  }

  /** The bank of {@code [address, address + width)}, its one or two pages ready. */
  private RamBank ready(long address, int width) {
    RamBank bank = ram.bank(address);
    pages.ready(bank.page(address));
    if ((address & Ram.PAGE_MASK) > Ram.PAGE_BYTES - width) {
      bank.check(address, width);
      pages.ready(bank.page(address) + 1);
    }
    return bank;
  }

  /** Makes every page of the range ready to be read, or written in part. */
  private void readyRange(RamBank bank, long address, long length) {
    bank.check(address, length);
    if (length == 0) {
      return;
    }
    int last = bank.page(address + length - 1);
    for (int page = bank.page(address); page <= last; page++) {
      pages.ready(page);
    }
  }

  /** Makes every page of the range ready to be overwritten: what goes whole is not decrypted. */
  private void readyToOverwrite(RamBank bank, long address, long length) {
    bank.check(address, length);
    if (length == 0) {
      return;
    }
    int first = bank.page(address);
    int last = bank.page(address + length - 1);
    boolean wholeFirst = (address & Ram.PAGE_MASK) == 0;
    boolean wholeLast = (address + length & Ram.PAGE_MASK) == 0;
    for (int page = first; page <= last; page++) {
      if ((page > first || wholeFirst) && (page < last || wholeLast)) {
        pages.readyToOverwrite(page);
      } else {
        pages.ready(page);
      }
    }
  }

  @Override
  public byte getByte(long address) {
    RamBank bank = ready(address, Byte.BYTES);
    return bank.segment().get(ValueLayout.JAVA_BYTE, bank.offset(address));
  }

  @Override
  public short getShort(long address) {
    RamBank bank = ready(address, Short.BYTES);
    return bank.segment().get(LittleEndian.SHORT, bank.offset(address));
  }

  @Override
  public int getInt(long address) {
    RamBank bank = ready(address, Integer.BYTES);
    return bank.segment().get(LittleEndian.INT, bank.offset(address));
  }

  @Override
  public long getLong(long address) {
    RamBank bank = ready(address, Long.BYTES);
    return bank.segment().get(LittleEndian.LONG, bank.offset(address));
  }

  @Override
  public void putByte(long address, byte value) {
    RamBank bank = ready(address, Byte.BYTES);
    bank.segment().set(ValueLayout.JAVA_BYTE, bank.offset(address), value);
  }

  @Override
  public void putShort(long address, short value) {
    RamBank bank = ready(address, Short.BYTES);
    bank.segment().set(LittleEndian.SHORT, bank.offset(address), value);
  }

  @Override
  public void putInt(long address, int value) {
    RamBank bank = ready(address, Integer.BYTES);
    bank.segment().set(LittleEndian.INT, bank.offset(address), value);
  }

  @Override
  public void putLong(long address, long value) {
    RamBank bank = ready(address, Long.BYTES);
    bank.segment().set(LittleEndian.LONG, bank.offset(address), value);
  }

  @Override
  public short getShortAcquire(long address) {
    RamBank bank = ready(address, Short.BYTES);
    // Pairs with the release by which the device, or another CPU, published the value.
    return (short) LittleEndian.ALIGNED_SHORT.getAcquire(bank.segment(), bank.offset(address));
  }

  @Override
  public void putShortRelease(long address, short value) {
    RamBank bank = ready(address, Short.BYTES);
    // Pairs with the acquire by which the device, or another CPU, looks at the value.
    LittleEndian.ALIGNED_SHORT.setRelease(bank.segment(), bank.offset(address), value);
  }

  @Override
  public void read(long address, MemorySegment target, long targetOffset, long length) {
    RamBank bank = ram.bank(address);
    readyRange(bank, address, length);
    MemorySegment.copy(bank.segment(), bank.offset(address), target, targetOffset, length);
  }

  @Override
  public void write(long address, MemorySegment source, long sourceOffset, long length) {
    RamBank bank = ram.bank(address);
    // Before any page is given up as overwritten.
    Objects.checkFromIndexSize(sourceOffset, length, source.byteSize());
    readyToOverwrite(bank, address, length);
    MemorySegment.copy(source, sourceOffset, bank.segment(), bank.offset(address), length);
  }

  @Override
  public void copy(long source, long target, long length) {
    RamBank from = ram.bank(source);
    RamBank to = ram.bank(target);
    to.check(target, length);
    readyRange(from, source, length);
    // Not as overwritten: where the ranges overlap, a target page is a source page too.
    readyRange(to, target, length);
    MemorySegment.copy(
        from.segment(), from.offset(source), to.segment(), to.offset(target), length);
  }

  @Override
  public void fill(long address, long length, byte value) {
    RamBank bank = ram.bank(address);
    readyToOverwrite(bank, address, length);
    bank.fill(address, length, value);
  }
}
