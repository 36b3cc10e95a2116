package dev.virtiolab.firmware.core;

import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.MemoryType;
import java.util.ArrayList;
import java.util.List;

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

  /** Pages {@code first} to {@code last}, both included. */
  private record Range(MemoryType type, long first, long last) {
    boolean contains(long page) {
      return first <= page && page <= last;
    }
  }

  private final List<Range> ranges = new ArrayList<>();
  private long key;

  /** Changes with every change of the map, and never returns to an old value. */
  long key() {
    return key;
  }

  int size() {
    return ranges.size();
  }

  /** The map as GetMemoryMap hands it out. */
  List<MemoryDescriptor> descriptors() {
    return ranges.stream().map(MemoryMap::descriptor).toList();
  }

  /** Adds pages that no range has yet. */
  void add(MemoryType type, long first, long pages) {
    put(type, first, first + pages - 1);
  }

  /** The type of a page, or null for one that is no RAM. */
  MemoryType typeOf(long page) {
    int at = find(page);
    return at < 0 ? null : ranges.get(at).type;
  }

  /**
   * Takes free pages for {@code type}.
   *
   * @return whether all of them were free
   */
  boolean take(MemoryType type, long first, long pages) {
    int at = find(first);
    long last = first + pages - 1;
    if (at < 0
        || ranges.get(at).type != MemoryType.CONVENTIONAL
        || !ranges.get(at).contains(last)) {
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
      if (at < 0 || ranges.get(at).type == MemoryType.CONVENTIONAL) {
        return false;
      }
      page = ranges.get(at).last + 1;
    }
    for (long page = first; page <= last; ) {
      int at = find(page);
      long end = Math.min(last, ranges.get(at).last);
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
    for (int at = ranges.size() - 1; at >= 0; at--) {
      Range range = ranges.get(at);
      if (range.type == MemoryType.CONVENTIONAL) {
        long first = Math.min(range.last, highest) - pages + 1;
        if (first >= Math.max(range.first, 1)) {
          return first;
        }
      }
    }
    return NOT_FOUND;
  }

  private void convert(int at, MemoryType type, long first, long last) {
    Range old = ranges.remove(at);
    if (last < old.last) {
      ranges.add(at, new Range(old.type, last + 1, old.last));
    }
    if (old.first < first) {
      ranges.add(at, new Range(old.type, old.first, first - 1));
    }
    put(type, first, last);
  }

  private void put(MemoryType type, long first, long last) {
    key++;
    int at = 0;
    while (at < ranges.size() && ranges.get(at).last < first) {
      at++;
    }
    if (at < ranges.size() && ranges.get(at).first <= last) {
      throw new IllegalStateException("overlap: first=" + first + " last=" + last);
    }
    long mergedFirst = first;
    long mergedLast = last;
    if (at < ranges.size() && joins(ranges.get(at), type, last + 1)) {
      mergedLast = ranges.remove(at).last;
    }
    if (at > 0 && ranges.get(at - 1).last + 1 == first && ranges.get(at - 1).type == type) {
      at--;
      mergedFirst = ranges.remove(at).first;
    }
    ranges.add(at, new Range(type, mergedFirst, mergedLast));
  }

  private static boolean joins(Range range, MemoryType type, long first) {
    return range.type == type && range.first == first;
  }

  /** Index of the range that holds {@code page}, or negative. */
  private int find(long page) {
    for (int at = 0; at < ranges.size(); at++) {
      if (ranges.get(at).contains(page)) {
        return at;
      }
    }
    return -1;
  }

  private static MemoryDescriptor descriptor(Range range) {
    boolean runtime =
        range.type == MemoryType.RUNTIME_SERVICES_CODE
            || range.type == MemoryType.RUNTIME_SERVICES_DATA;
    return new MemoryDescriptor(
        range.type,
        range.first << PageAllocator.PAGE_SHIFT,
        range.last - range.first + 1,
        runtime ? CACHEABLE | RUNTIME : CACHEABLE);
  }
}
