package dev.virtiolab.iommu.noncoherent;

import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.iommu.ram.RamBank;
import java.lang.foreign.MemorySegment;

/**
 * A bank of RAM, a shadow as large that holds what the cache has of it, and a byte of state per
 * line.
 *
 * <pre>
 *   DRAM    | line 0 | line 1 | line 2 | ...     what bus masters see
 *   shadow  | line 0 | line 1 | line 2 | ...     what the CPU sees where a line is valid
 *   state     clean    absent   dirty
 * </pre>
 *
 * <p>Positions in the bank are offsets; the bank's addresses are its RAM bank's.
 */
final class CachedBank {
  static final int LINE_SHIFT = 6;
  static final int LINE_BYTES = 1 << LINE_SHIFT;

  private static final long LINE_MASK = LINE_BYTES - 1;

  /** The shadow has the line. */
  private static final byte VALID = 1;

  /** The line was written since it came; only ever together with {@link #VALID}. */
  private static final byte DIRTY = 2;

  /** The line's page is uncached: all of a page's lines say so, or none. */
  private static final byte UNCACHED = 4;

  private final RamBank ram;
  private final long base;
  private final long size;
  private final MemorySegment dram;
  private final MemorySegment shadow;
  private final byte[] states;
  private final CacheTally tally;

  /**
   * @param shadow the bank of the copies, as large as {@code ram}
   * @throws IllegalArgumentException if there are more lines than an array holds, which is 128 GiB
   */
  CachedBank(RamBank ram, RamBank shadow, CacheTally tally) {
    long lines = ram.segment().byteSize() >> LINE_SHIFT;
    if (lines > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          "a bank behind a cache is at most 128 GiB: bytes=" + ram.segment().byteSize());
    }
    this.ram = ram;
    this.base = ram.base();
    this.size = ram.segment().byteSize();
    this.dram = ram.segment();
    this.shadow = shadow.segment();
    this.states = new byte[(int) lines];
    this.tally = tally;
  }

  boolean contains(long address) {
    // Unsigned: one comparison for both ends.
    return Long.compareUnsigned(address - base, size) < 0;
  }

  long offset(long address) {
    return address - base;
  }

  /** As {@link RamBank#check}. */
  void check(long address, long length) {
    ram.check(address, length);
  }

  // ---- one access

  /**
   * Where the CPU reads {@code width} bytes, at most a line, at {@code offset}; null where the
   * first of them are cached and the rest are not.
   */
  MemorySegment readable(long offset, int width) {
    byte state = states[(int) (offset >>> LINE_SHIFT)];
    if ((offset & LINE_MASK) <= LINE_BYTES - width) {
      if ((state & (VALID | UNCACHED)) == VALID) {
        return shadow;
      }
      if ((state & UNCACHED) != 0) {
        return dram;
      }
    }
    return fetch(offset, width);
  }

  /** Where the CPU writes; otherwise as {@link #readable}. */
  MemorySegment writable(long offset, int width) {
    byte state = states[(int) (offset >>> LINE_SHIFT)];
    if ((offset & LINE_MASK) <= LINE_BYTES - width) {
      if ((state & (DIRTY | UNCACHED)) == DIRTY) {
        return shadow;
      }
      if ((state & UNCACHED) != 0) {
        return dram;
      }
    }
    MemorySegment segment = fetch(offset, width);
    if (segment == shadow) {
      states[first(offset)] |= DIRTY;
      states[limit(offset, width) - 1] |= DIRTY;
    }
    return segment;
  }

  private MemorySegment fetch(long offset, int width) {
    checkOffset(offset, width);
    int first = first(offset);
    int limit = limit(offset, width);
    boolean uncached = (states[first] & UNCACHED) != 0;
    if (uncached != ((states[limit - 1] & UNCACHED) != 0)) {
      return null;
    }
    if (uncached) {
      return dram;
    }
    fill(first, limit);
    return shadow;
  }

  // ---- a range

  /** Bytes of the range that are all cached or all uncached: at least one, if it has one. */
  long run(long offset, long length) {
    long inPage = Ram.PAGE_BYTES - (offset & Ram.PAGE_MASK);
    return length <= inPage ? length : runOfPages(offset, length);
  }

  private long runOfPages(long offset, long length) {
    boolean uncached = isUncached(offset);
    long end = (offset | Ram.PAGE_MASK) + 1;
    while (end < offset + length && isUncached(end) == uncached) {
      end += Ram.PAGE_BYTES;
    }
    return Math.min(end - offset, length);
  }

  /** Where the CPU reads the range, a {@link #run} of at least one byte. */
  MemorySegment readableRun(long offset, long length) {
    if (isUncached(offset)) {
      return dram;
    }
    fill(first(offset), limit(offset, length));
    return shadow;
  }

  /**
   * Where the CPU writes the range, all of it: a line that is written whole is not read from DRAM.
   */
  MemorySegment writableRun(long offset, long length) {
    if (isUncached(offset)) {
      return dram;
    }
    int first = first(offset);
    int limit = limit(offset, length);
    if ((offset & LINE_MASK) != 0) {
      fill(first, first + 1);
    }
    if ((offset + length & LINE_MASK) != 0) {
      fill(limit - 1, limit);
    }
    int came = 0;
    for (int line = first; line < limit; line++) {
      came += ~states[line] & VALID;
      states[line] = VALID | DIRTY;
    }
    tally.filled(came);
    return shadow;
  }

  private void fill(int first, int limit) {
    int line = first;
    while (line < limit) {
      if ((states[line] & VALID) != 0) {
        line++;
        continue;
      }
      int start = line;
      while (line < limit && (states[line] & VALID) == 0) {
        states[line++] |= VALID;
      }
      copyLines(dram, shadow, start, line);
      tally.filled(line - start);
    }
  }

  private static void copyLines(MemorySegment from, MemorySegment to, int first, int limit) {
    long offset = (long) first << LINE_SHIFT;
    MemorySegment.copy(from, offset, to, offset, (long) (limit - first) << LINE_SHIFT);
  }

  // ---- maintenance

  void writeBack(long offset, long length) {
    int limit = limit(offset, length);
    int line = first(offset);
    while (line < limit) {
      if ((states[line] & DIRTY) == 0) {
        line++;
        continue;
      }
      int start = line;
      while (line < limit && (states[line] & DIRTY) != 0) {
        states[line++] &= ~DIRTY;
      }
      copyLines(shadow, dram, start, line);
      tally.writtenBack(line - start);
    }
  }

  void invalidate(long offset, long length) {
    int limit = limit(offset, length);
    int present = 0;
    int dirty = 0;
    for (int line = first(offset); line < limit; line++) {
      byte state = states[line];
      present += state & VALID;
      dirty += (state & DIRTY) >> 1;
      states[line] = (byte) (state & UNCACHED);
    }
    tally.invalidated(present, dirty);
  }

  void setUncached(long offset, long pages) {
    int stranded = 0;
    int limit = limit(offset, pages << Ram.PAGE_SHIFT);
    for (int line = first(offset); line < limit; line++) {
      if ((states[line] & UNCACHED) == 0) {
        stranded += states[line] & VALID;
        states[line] |= UNCACHED;
        tally.madeUncached(startsPage(line) ? 1 : 0);
      }
    }
    tally.stranded(stranded);
  }

  void setCached(long offset, long pages) {
    int limit = limit(offset, pages << Ram.PAGE_SHIFT);
    for (int line = first(offset); line < limit; line++) {
      if ((states[line] & UNCACHED) != 0) {
        states[line] &= ~UNCACHED;
        tally.madeCached(startsPage(line) ? 1 : 0);
      }
    }
  }

  private static boolean startsPage(int line) {
    return ((long) line << LINE_SHIFT & Ram.PAGE_MASK) == 0;
  }

  boolean isUncached(long offset) {
    return (states[first(offset)] & UNCACHED) != 0;
  }

  // ---- for who looks from outside

  LineState state(long offset) {
    byte state = states[first(offset)];
    if ((state & VALID) == 0) {
      return LineState.ABSENT;
    }
    return (state & DIRTY) == 0 ? LineState.CLEAN : LineState.DIRTY;
  }

  /** Lines of the range that the cache has with other bytes than DRAM. */
  long linesThatDiffer(long offset, long length) {
    long differ = 0;
    int limit = limit(offset, length);
    for (int line = first(offset); line < limit; line++) {
      long start = (long) line << LINE_SHIFT;
      boolean same =
          (states[line] & VALID) == 0
              || MemorySegment.mismatch(
                      dram, start, start + LINE_BYTES, shadow, start, start + LINE_BYTES)
                  < 0;
      differ += same ? 0 : 1;
    }
    return differ;
  }

  // ---- lines

  private void checkOffset(long offset, int width) {
    if (offset > size - width) {
      throw new IndexOutOfBoundsException(
          "access leaves RAM: address=0x%x bytes=%d".formatted(base + offset, width));
    }
  }

  private static int first(long offset) {
    return (int) (offset >>> LINE_SHIFT);
  }

  /** One past the last line that the range touches; an empty range touches none. */
  private static int limit(long offset, long length) {
    return length == 0 ? first(offset) : (int) (offset + length - 1 >>> LINE_SHIFT) + 1;
  }
}
