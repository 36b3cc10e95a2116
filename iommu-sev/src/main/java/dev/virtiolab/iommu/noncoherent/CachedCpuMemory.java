package dev.virtiolab.iommu.noncoherent;

import dev.virtiolab.iommu.ram.LittleEndian;
import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.pci.cpu.CpuMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/**
 * RAM through the cache: each access looks up the state of its line, and goes to the shadow or to
 * DRAM.
 */
final class CachedCpuMemory implements CpuMemory {
  private static final MemorySegment ZEROS = MemorySegment.ofArray(new byte[Ram.PAGE_BYTES]);

  private final DataCache cache;

  CachedCpuMemory(DataCache cache) {
    this.cache = cache;
  }

  @Override
  public byte getByte(long address) {
    CachedBank bank = cache.bank(address);
    long offset = bank.offset(address);
    return bank.readable(offset, Byte.BYTES).get(ValueLayout.JAVA_BYTE, offset);
  }

  @Override
  public short getShort(long address) {
    CachedBank bank = cache.bank(address);
    long offset = bank.offset(address);
    MemorySegment segment = bank.readable(offset, Short.BYTES);
    return segment == null
        ? (short) getSplit(address, Short.BYTES)
        : segment.get(LittleEndian.SHORT, offset);
  }

  @Override
  public int getInt(long address) {
    CachedBank bank = cache.bank(address);
    long offset = bank.offset(address);
    MemorySegment segment = bank.readable(offset, Integer.BYTES);
    return segment == null
        ? (int) getSplit(address, Integer.BYTES)
        : segment.get(LittleEndian.INT, offset);
  }

  @Override
  public long getLong(long address) {
    CachedBank bank = cache.bank(address);
    long offset = bank.offset(address);
    MemorySegment segment = bank.readable(offset, Long.BYTES);
    return segment == null ? getSplit(address, Long.BYTES) : segment.get(LittleEndian.LONG, offset);
  }

  @Override
  public void putByte(long address, byte value) {
    CachedBank bank = cache.bank(address);
    long offset = bank.offset(address);
    bank.writable(offset, Byte.BYTES).set(ValueLayout.JAVA_BYTE, offset, value);
  }

  @Override
  public void putShort(long address, short value) {
    CachedBank bank = cache.bank(address);
    long offset = bank.offset(address);
    MemorySegment segment = bank.writable(offset, Short.BYTES);
    if (segment == null) {
      putSplit(address, Short.BYTES, value);
    } else {
      segment.set(LittleEndian.SHORT, offset, value);
    }
  }

  @Override
  public void putInt(long address, int value) {
    CachedBank bank = cache.bank(address);
    long offset = bank.offset(address);
    MemorySegment segment = bank.writable(offset, Integer.BYTES);
    if (segment == null) {
      putSplit(address, Integer.BYTES, value);
    } else {
      segment.set(LittleEndian.INT, offset, value);
    }
  }

  @Override
  public void putLong(long address, long value) {
    CachedBank bank = cache.bank(address);
    long offset = bank.offset(address);
    MemorySegment segment = bank.writable(offset, Long.BYTES);
    if (segment == null) {
      putSplit(address, Long.BYTES, value);
    } else {
      segment.set(LittleEndian.LONG, offset, value);
    }
  }

  /** An access that is cached at one end only, byte by byte. */
  private long getSplit(long address, int width) {
    long value = 0;
    for (int i = width - 1; i >= 0; i--) {
      value = value << Byte.SIZE | Byte.toUnsignedLong(getByte(address + i));
    }
    return value;
  }

  private void putSplit(long address, int width, long value) {
    for (int i = 0; i < width; i++) {
      putByte(address + i, (byte) (value >>> i * Byte.SIZE));
    }
  }

  @Override
  public short getShortAcquire(long address) {
    CachedBank bank = cache.bank(address);
    long offset = bank.offset(address);
    // Pairs with the release by which the device published the value, on an uncached page; a cached
    // line shows what DRAM had when it came, and pairs with nobody.
    return (short)
        LittleEndian.ALIGNED_SHORT.getAcquire(bank.readable(offset, Short.BYTES), offset);
  }

  @Override
  public void putShortRelease(long address, short value) {
    CachedBank bank = cache.bank(address);
    long offset = bank.offset(address);
    // Pairs with the acquire by which the device looks at the value, on an uncached page; lines
    // that
    // were written back before are in DRAM before it.
    LittleEndian.ALIGNED_SHORT.setRelease(bank.writable(offset, Short.BYTES), offset, value);
  }

  @Override
  public void read(long address, MemorySegment target, long targetOffset, long length) {
    CachedBank bank = cache.bank(address);
    bank.check(address, length);
    long offset = bank.offset(address);
    for (long done = 0; done < length; ) {
      long run = bank.run(offset + done, length - done);
      MemorySegment from = bank.readableRun(offset + done, run);
      MemorySegment.copy(from, offset + done, target, targetOffset + done, run);
      done += run;
    }
  }

  @Override
  public void write(long address, MemorySegment source, long sourceOffset, long length) {
    CachedBank bank = cache.bank(address);
    bank.check(address, length);
    // Before any line is given up as overwritten.
    Objects.checkFromIndexSize(sourceOffset, length, source.byteSize());
    long offset = bank.offset(address);
    for (long done = 0; done < length; ) {
      long run = bank.run(offset + done, length - done);
      MemorySegment to = bank.writableRun(offset + done, run);
      MemorySegment.copy(source, sourceOffset + done, to, offset + done, run);
      done += run;
    }
  }

  @Override
  public void copy(long source, long target, long length) {
    CachedBank from = cache.bank(source);
    CachedBank to = cache.bank(target);
    from.check(source, length);
    to.check(target, length);
    long fromOffset = from.offset(source);
    long toOffset = to.offset(target);
    if (length > 0
        && from.run(fromOffset, length) == length
        && to.run(toOffset, length) == length) {
      copyRun(from, fromOffset, to, toOffset, length);
    } else if (source >= target) {
      copyUpwards(from, fromOffset, to, toOffset, length);
    } else {
      copyDownwards(from, fromOffset, to, toOffset, length);
    }
  }

  private static void copyRun(
      CachedBank from, long fromOffset, CachedBank to, long toOffset, long length) {
    // The source first: where the ranges overlap, a line to be overwritten whole is read before.
    MemorySegment readable = from.readableRun(fromOffset, length);
    MemorySegment writable = to.writableRun(toOffset, length);
    MemorySegment.copy(readable, fromOffset, writable, toOffset, length);
  }

  /** Ranges of mixed attributes, where the target does not begin within the source. */
  private static void copyUpwards(
      CachedBank from, long fromOffset, CachedBank to, long toOffset, long length) {
    for (long done = 0; done < length; ) {
      long run = to.run(toOffset + done, from.run(fromOffset + done, length - done));
      copyRun(from, fromOffset + done, to, toOffset + done, run);
      done += run;
    }
  }

  /** The same where it may: from the end, in pieces that lie in one page at either end. */
  private static void copyDownwards(
      CachedBank from, long fromOffset, CachedBank to, long toOffset, long length) {
    for (long left = length; left > 0; ) {
      long inFrom = (fromOffset + left - 1 & Ram.PAGE_MASK) + 1;
      long inTo = (toOffset + left - 1 & Ram.PAGE_MASK) + 1;
      long piece = Math.min(left, Math.min(inFrom, inTo));
      left -= piece;
      copyRun(from, fromOffset + left, to, toOffset + left, piece);
    }
  }

  @Override
  public void fill(long address, long length, byte value) {
    CachedBank bank = cache.bank(address);
    bank.check(address, length);
    long offset = bank.offset(address);
    for (long done = 0; done < length; ) {
      long run = bank.run(offset + done, length - done);
      fillRun(bank.writableRun(offset + done, run), offset + done, run, value);
      done += run;
    }
  }

  /** Zeroing, which is done for every frame, is a copy of zeros: a slice would be an object. */
  private static void fillRun(MemorySegment segment, long offset, long length, byte value) {
    if (value != 0) {
      segment.asSlice(offset, length).fill(value);
      return;
    }
    for (long done = 0; done < length; done += Ram.PAGE_BYTES) {
      long bytes = Math.min(Ram.PAGE_BYTES, length - done);
      MemorySegment.copy(ZEROS, 0, segment, offset + done, bytes);
    }
  }
}
