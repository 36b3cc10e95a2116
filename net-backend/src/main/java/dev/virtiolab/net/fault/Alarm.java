package dev.virtiolab.net.fault;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;

/**
 * A thread that says when it is time, if somebody might sleep. It is started when it is first set.
 *
 * <p><b>Why no alarm is lost.</b> The thread takes the time away by compare-and-set before it
 * rings, so what is set after that is seen in the next round; who sets an earlier time unparks it,
 * and a permit that comes before the park makes the park return at once.
 */
final class Alarm implements AutoCloseable {
  /** No time. */
  static final long NEVER = Long.MAX_VALUE;

  private final LongSupplier nanoClock;
  private final Runnable ring;
  private final AtomicLong at = new AtomicLong(NEVER);

  private Thread thread;
  private volatile boolean stopping;

  /**
   * @param nanoClock the host's, from any origin, not wrapping
   * @param ring run on the alarm's thread
   */
  Alarm(LongSupplier nanoClock, Runnable ring) {
    this.nanoClock = nanoClock;
    this.ring = ring;
  }

  /** Rings at {@code nanos}, instead of when it was to ring before. The device's thread. */
  void set(long nanos) {
    if (at.get() == nanos) {
      return; // if the thread is just taking it away, it rings, and is set again in answer
    }
    // Volatile, then the unpark: partner of the thread's look after it has parked.
    long before = at.getAndSet(nanos);
    if (nanos >= before) {
      return; // it wakes up before that, and looks again
    }
    if (thread == null) {
      thread = Thread.ofPlatform().name("fault-alarm").daemon().start(this::run);
    } else {
      LockSupport.unpark(thread);
    }
  }

  /** Ends the thread and waits for that. */
  @Override
  public void close() {
    stopping = true;
    if (thread == null) {
      return;
    }
    LockSupport.unpark(thread);
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void run() {
    while (!stopping) {
      long until = at.get();
      if (until == NEVER) {
        LockSupport.park(this);
        continue;
      }
      long wait = until - nanoClock.getAsLong();
      if (wait > 0) {
        LockSupport.parkNanos(this, wait);
      } else if (at.compareAndSet(until, NEVER)) {
        ring.run();
      }
    }
  }
}
