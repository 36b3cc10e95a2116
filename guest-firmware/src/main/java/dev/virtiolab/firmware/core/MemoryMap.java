package dev.virtiolab.firmware.core;

import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.MemoryType;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Who owns which pages of RAM: ascending, disjoint ranges, neighbours of one type merged; edk2's
 * Page.c. The key counts changes, so that no two maps ever have the same one.
 *
 * <p>Addresses here are page numbers: guest-physical addresses shifted right by 12.
 */
final class MemoryMap {
  static final long NOT_FOUND = -1;

  // UEFI Specification 2.10, 7.2.3: EFI_MEMORY_UC, WC, WT, WB; and EFI_MEMORY_RUNTIME.
  private static final long CACHEABLE = 0xF;
  private static final long RUNTIME = 1L << 63;

  private static final int FIRST_CAPACITY = 64;

  // By range: its type, and its first and last page. Arrays, since every Map of a frame that finds
  // no reserved slot changes the map twice, and must leave no garbage.
  private MemoryType[] types = new MemoryType[FIRST_CAPACITY];
  private long[] firsts = new long[FIRST_CAPACITY];
  private long[] lasts = new long[FIRST_CAPACITY];
  private int size;
  private long key;

  /** Changes with every change of the map, and never returns to an old value. */
  long key() {
    return key;
  }

  int size() {
    return size;
  }

  /** The map as GetMemoryMap hands it out. */
  List<MemoryDescriptor> descriptors() {
    return IntStream.range(0, size).mapToObj(this::descriptor).toList();
  }

  /** Adds pages that no range has yet. */
  void add(MemoryType type, long first, long pages) {
    put(type, first, first + pages - 1);
  }

  /** The type of a page, or null for one that is no RAM. */
  MemoryType typeOf(long page) {
    int at = find(page);
    return at < 0 ? null : types[at];
  }

  /**
   * Takes free pages for {@code type}.
   *
   * @return whether all of them were free
   */
  boolean take(MemoryType type, long first, long pages) {
    int at = find(first);
    long last = first + pages - 1;
    if (at < 0 || types[at] != MemoryType.CONVENTIONAL || last > lasts[at]) {
      return false;
    }
    convert(at, type, first, last);
    return true;
  }

  /**
   * Frees pages, which may belong to several ranges. Where one of them is free or no RAM, none
   * changes (edk2 would have freed those before it).
   *
   * @return whether all of them were taken
   */
  boolean free(long first, long pages) {
    long last = first + pages - 1;
    for (long page = first; page <= last; ) {
      int at = find(page);
      if (at < 0 || types[at] == MemoryType.CONVENTIONAL) {
        return false;
      }
      page = lasts[at] + 1;
    }
    for (long page = first; page <= last; ) {
      int at = find(page);
      long end = Math.min(last, lasts[at]);
      convert(at, MemoryType.CONVENTIONAL, page, end);
      page = end + 1;
    }
    return true;
  }

  /**
   * The highest free pages at or below a limit. Page 0 is never offered: its address is NULL.
   *
   * @param highest the last page may be this one or a lower one
   * @return the first page, or {@link #NOT_FOUND}
   */
  long findFree(long pages, long highest) {
    for (int at = size - 1; at >= 0; at--) {
      if (types[at] == MemoryType.CONVENTIONAL) {
        long first = Math.min(lasts[at], highest) - pages + 1;
        if (first >= Math.max(firsts[at], 1)) {
          return first;
        }
      }
    }
    return NOT_FOUND;
  }

  /** Gives pages of the range at {@code at} another type; what is left of it stays. */
  private void convert(int at, MemoryType type, long first, long last) {
    MemoryType oldType = types[at];
    long oldFirst = firsts[at];
    long oldLast = lasts[at];
    remove(at);
    if (last < oldLast) {
      insert(at, oldType, last + 1, oldLast);
    }
    if (oldFirst < first) {
      insert(at, oldType, oldFirst, first - 1);
    }
    put(type, first, last);
  }

  private void put(MemoryType type, long first, long last) {
    key++;
    int at = 0;
    while (at < size && lasts[at] < first) {
      at++;
    }
    if (at < size && firsts[at] <= last) {
      throw new IllegalStateException("overlap: first=" + first + " last=" + last);
    }
    long mergedFirst = first;
    long mergedLast = last;
    if (at < size && firsts[at] == last + 1 && types[at] == type) {
      mergedLast = lasts[at];
      remove(at);
    }
    if (at > 0 && lasts[at - 1] + 1 == first && types[at - 1] == type) {
      at--;
      mergedFirst = firsts[at];
      remove(at);
    }
    insert(at, type, mergedFirst, mergedLast);
  }

  private void insert(int at, MemoryType type, long first, long last) {
    if (size == types.length) {
      types = Arrays.copyOf(types, 2 * size);
      firsts = Arrays.copyOf(firsts, 2 * size);
      lasts = Arrays.copyOf(lasts, 2 * size);
    }
    System.arraycopy(types, at, types, at + 1, size - at);
    System.arraycopy(firsts, at, firsts, at + 1, size - at);
    System.arraycopy(lasts, at, lasts, at + 1, size - at);
    types[at] = type;
    firsts[at] = first;
    lasts[at] = last;
    size++;
  }

  private void remove(int at) {
    size--;
    System.arraycopy(types, at + 1, types, at, size - at);
    System.arraycopy(firsts, at + 1, firsts, at, size - at);
    System.arraycopy(lasts, at + 1, lasts, at, size - at);
  }

  /** Index of the range that holds {@code page}, or negative. */
  private int find(long page) {
    for (int at = 0; at < size; at++) {
      if (firsts[at] <= page && page <= lasts[at]) {
        return at;
      }
    }
    return -1;
  }

  private MemoryDescriptor descriptor(int at) {
    boolean runtime =
        types[at] == MemoryType.RUNTIME_SERVICES_CODE
            || types[at] == MemoryType.RUNTIME_SERVICES_DATA;
    return new MemoryDescriptor(
        types[at],
        firsts[at] << PageAllocator.PAGE_SHIFT,
        lasts[at] - firsts[at] + 1,
        runtime ? CACHEABLE | RUNTIME : CACHEABLE);
  }
}
