package dev.virtiolab.posix;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;

/** Waits that an interrupt does not cut short; whoever was interrupted still is afterwards. */
public final class Uninterruptibly {

  private Uninterruptibly() {}

  /** Waits until {@code thread} has ended: what it uses can be let go of then, and not before. */
  public static void join(Thread thread) {
    boolean interrupted = false;
    while (true) {
      try {
        thread.join();
        break;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /**
   * Waits for a lock.
   *
   * @return false if it was not to be had in time
   */
  public static boolean tryLock(Lock lock, long nanos) {
    long start = System.nanoTime();
    boolean interrupted = false;
    try {
      while (true) {
        try {
          return lock.tryLock(nanos - (System.nanoTime() - start), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
