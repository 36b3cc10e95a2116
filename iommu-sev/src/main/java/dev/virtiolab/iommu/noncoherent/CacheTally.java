package dev.virtiolab.iommu.noncoherent;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/** The counters as they run: the guest's thread adds, any thread looks. */
final class CacheTally {
  private static final VarHandle VALUE = MethodHandles.arrayElementVarHandle(long[].class);

  private static final int FILLED = 0;
  private static final int WRITTEN_BACK = 1;
  private static final int INVALIDATED = 2;
  private static final int DIRTY_LOST = 3;
  private static final int STRANDED = 4;
  private static final int PAGES_UNCACHED = 5;
  private static final int COUNT = 6;

  private final long[] values = new long[COUNT];

  void filled(long lines) {
    add(FILLED, lines);
  }

  void writtenBack(long lines) {
    add(WRITTEN_BACK, lines);
  }

  void invalidated(long lines, long dirty) {
    add(INVALIDATED, lines);
    add(DIRTY_LOST, dirty);
  }

  void stranded(long lines) {
    add(STRANDED, lines);
  }

  void madeUncached(long pages) {
    add(PAGES_UNCACHED, pages);
  }

  void madeCached(long pages) {
    add(PAGES_UNCACHED, -pages);
  }

  NonCoherentCounters counters() {
    return new NonCoherentCounters(
        value(FILLED),
        value(WRITTEN_BACK),
        value(INVALIDATED),
        value(DIRTY_LOST),
        value(STRANDED),
        value(PAGES_UNCACHED));
  }

  private long value(int index) {
    return (long) VALUE.getOpaque(values, index);
  }

  private void add(int index, long amount) {
    if (amount != 0) {
      // One writer: its own plain read is exact. Opaque, so that a reader sees whole, fresh values.
      VALUE.setOpaque(values, index, values[index] + amount);
    }
  }
}
