package dev.virtiolab.net.netty;

/**
 * So many frames a second, on average, and no more than a tenth of a second's worth at once. One
 * number: when the frames that were let through would end if they came at that pace.
 */
final class StormLimit {
  private static final long SECOND_NANOS = 1_000_000_000L;

  /** Even at a slow pace an exchange of ARP for a few stations is no storm. */
  private static final int LEAST_BURST_FRAMES = 16;

  private final long frameNanos;
  private final long burstNanos;
  private long endNanos;

  /**
   * @param framesPerSecond 0: no limit
   * @param nowNanos of the clock that {@link #allows} is asked by
   */
  StormLimit(int framesPerSecond, long nowNanos) {
    frameNanos = framesPerSecond == 0 ? 0 : SECOND_NANOS / framesPerSecond;
    burstNanos = Math.max(SECOND_NANOS / 10, LEAST_BURST_FRAMES * frameNanos);
    endNanos = nowNanos;
  }

  /** Whether one more may pass, which is then counted. */
  boolean allows(long nowNanos) {
    if (endNanos - nowNanos < 0) {
      endNanos = nowNanos;
    }
    if (endNanos + frameNanos - nowNanos > burstNanos) {
      return false;
    }
    endNanos += frameNanos;
    return true;
  }
}
