package dev.virtiolab.lab;

import dev.virtiolab.pci.cpu.CpuClock;
import java.util.concurrent.locks.LockSupport;

/**
 * The guest's clock, as fast as the host's. A short pause is spun, since the host's scheduler would
 * make it longer; a long one gives the processor away.
 */
public final class HostClock implements CpuClock {
  /** About what parking and being woken costs by itself. */
  private static final long SPIN_NANOS = 50_000;

  private final long start = System.nanoTime();

  /** A clock that starts now. */
  public HostClock() {}

  @Override
  public long nanos() {
    return System.nanoTime() - start;
  }

  @Override
  public void idle(long nanos) {
    if (nanos > SPIN_NANOS) {
      LockSupport.parkNanos(this, nanos);
      return;
    }
    long until = System.nanoTime() + nanos;
    while (System.nanoTime() - until < 0) {
      Thread.onSpinWait();
    }
  }
}
