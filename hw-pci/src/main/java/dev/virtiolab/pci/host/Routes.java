package dev.virtiolab.pci.host;

import dev.virtiolab.pci.function.Bar;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Which BAR answers at which address: disjoint ranges in ascending order, made once and never
 * changed.
 */
final class Routes {
  static final Routes NONE = new Builder().build();

  private final long[] first;
  private final long[] limit;
  private final long[] base;
  private final Bar[] bars;

  private Routes(List<Range> ascending) {
    int count = ascending.size();
    first = new long[count];
    limit = new long[count];
    base = new long[count];
    bars = new Bar[count];
    for (int i = 0; i < count; i++) {
      Range range = ascending.get(i);
      first[i] = range.first;
      limit[i] = range.limit;
      base[i] = range.base;
      bars[i] = range.bar;
    }
  }

  /** Index of the range that holds all of {@code [address, address + width)}, or -1. */
  int find(long address, int width) {
    int low = 0;
    int high = first.length - 1;
    while (low <= high) {
      int middle = (low + high) >>> 1;
      if (address < first[middle]) {
        high = middle - 1;
      } else if (address >= limit[middle]) {
        low = middle + 1;
      } else {
        return width <= limit[middle] - address ? middle : -1;
      }
    }
    return -1;
  }

  Bar bar(int index) {
    return bars[index];
  }

  /** Where {@code address}, which is in range {@code index}, lies in its BAR. */
  long offset(int index, long address) {
    return address - base[index];
  }

  /** Part of a BAR, at {@code [first, limit)}, whose offset 0 is or would be at {@code base}. */
  private record Range(long first, long limit, long base, Bar bar) {}

  /** Takes claims in order of priority; a later one gets what the earlier ones left. */
  static final class Builder {
    private final List<Range> ranges = new ArrayList<>();

    void claim(long address, Bar bar) {
      List<Range> rest = new ArrayList<>();
      rest.add(new Range(address, address + bar.bytes(), address, bar));
      for (Range taken : ranges) {
        List<Range> left = new ArrayList<>();
        for (Range part : rest) {
          if (part.first < Math.min(part.limit, taken.first)) {
            left.add(new Range(part.first, Math.min(part.limit, taken.first), address, bar));
          }
          if (Math.max(part.first, taken.limit) < part.limit) {
            left.add(new Range(Math.max(part.first, taken.limit), part.limit, address, bar));
          }
        }
        rest = left;
      }
      ranges.addAll(rest);
    }

    Routes build() {
      ranges.sort(Comparator.comparingLong(Range::first));
      return new Routes(ranges);
    }
  }
}
