package dev.virtiolab.firmware.net;

import dev.virtiolab.firmware.uefi.Protocol;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * What one network interface has done since its driver started. The firmware's thread counts; any
 * thread may look. Installed beside the Simple Network Protocol, under a protocol of the lab's own.
 */
public final class SnpCounters {
  public static final Protocol<SnpCounters> PROTOCOL =
      Protocol.of("6d0f3c52-2a6e-4c0b-9b62-7f1d8f0e8a41", "SnpCounters", SnpCounters.class);

  private static final VarHandle COUNT = MethodHandles.arrayElementVarHandle(long[].class);

  private final long[] counts = new long[SnpCounter.values().length];
  private volatile long negotiatedFeatures;

  SnpCounters() {}

  /** A recent value; two counters read one after the other need not fit each other. */
  public long value(SnpCounter counter) {
    // Opaque: the firmware's thread stores while a reporting thread looks; nothing is ordered by
    // it.
    return (long) COUNT.getOpaque(counts, counter.ordinal());
  }

  /**
   * The feature bits that driver and device agreed on last (virtio v1.4, 2.2 "Feature Bits"); 0
   * before the first time.
   */
  public long negotiatedFeatures() {
    return negotiatedFeatures;
  }

  void negotiated(long features) {
    negotiatedFeatures = features;
  }

  void increment(SnpCounter counter) {
    add(counter, 1);
  }

  void add(SnpCounter counter, long amount) {
    int index = counter.ordinal();
    // One writer, so a plain read of our own value; opaque store for the reader in value().
    COUNT.setOpaque(counts, index, counts[index] + amount);
  }
}
