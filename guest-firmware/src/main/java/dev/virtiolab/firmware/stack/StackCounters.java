package dev.virtiolab.firmware.stack;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/** What a network stack has seen and done. The firmware's thread counts; any thread may look. */
public final class StackCounters {
  private static final VarHandle COUNT = MethodHandles.arrayElementVarHandle(long[].class);

  private final long[] counts = new long[StackCounter.values().length];

  StackCounters() {}

  /** A recent value; two counters read one after the other need not fit each other. */
  public long value(StackCounter counter) {
    // Opaque: pairs with the opaque store below; nothing is ordered by it.
    return (long) COUNT.getOpaque(counts, counter.ordinal());
  }

  /** Counts; from the firmware's thread only. */
  public void increment(StackCounter counter) {
    int index = counter.ordinal();
    // One writer, so a plain read of our own value; opaque store for the reader in value().
    COUNT.setOpaque(counts, index, counts[index] + 1);
  }
}
