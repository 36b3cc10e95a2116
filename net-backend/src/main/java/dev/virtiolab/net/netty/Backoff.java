package dev.virtiolab.net.netty;

import java.util.random.RandomGenerator;

/**
 * How long to wait before each further attempt: twice as long each time, up to a limit, and of that
 * between half and all, so that many who lost the same peer do not come back at once.
 */
final class Backoff {
  private static final long FIRST_MILLIS = 100;

  private final long limitMillis;
  private final RandomGenerator random;
  private long ceilingMillis;

  /**
   * @param limitMillis the longest pause, at least 1
   */
  Backoff(long limitMillis, RandomGenerator random) {
    this.limitMillis = limitMillis;
    this.random = random;
    reset();
  }

  /** The pause before the next attempt. */
  long nextMillis() {
    long ceiling = ceilingMillis;
    ceilingMillis = Math.min(2 * ceiling, limitMillis);
    long half = ceiling / 2;
    return ceiling - half + random.nextLong(half + 1);
  }

  /** It went well. */
  void reset() {
    ceilingMillis = Math.min(FIRST_MILLIS, limitMillis);
  }
}
