package dev.virtiolab.firmware.stack.tcp;

/**
 * How long to wait for an acknowledgment: RFC 6298, "Computing TCP's Retransmission Timer". All
 * times in nanoseconds.
 *
 * <p>The least timeout is 200 ms, not the second of (2.4), which is for clocks of half a second; it
 * leaves room for a peer that delays its acknowledgments by 40 ms to 200 ms. ADR 0021 has more.
 */
final class RttEstimator {
  static final long INITIAL_RTO = 1_000_000_000L;
  static final long MIN_RTO = 200_000_000L;

  /** (2.5) asks for at least a minute. */
  static final long MAX_RTO = 60_000_000_000L;

  /** G, the granularity: the guest sleeps so long between two looks at its clock. */
  static final long GRANULARITY = 10_000_000L;

  private long smoothed;
  private long variation;
  private boolean measured;
  private long rto = INITIAL_RTO;

  /** Takes a measurement, which must not be of something sent twice: (3), Karn's algorithm. */
  void sample(long roundTrip) {
    if (!measured) {
      measured = true;
      smoothed = roundTrip;
      variation = roundTrip / 2;
    } else {
      variation += (Math.abs(smoothed - roundTrip) - variation) / 4;
      smoothed += (roundTrip - smoothed) / 8;
    }
    rto = wanted();
  }

  /** (5.5): twice as long the next time. */
  void backOff() {
    rto = Math.min(2 * rto, MAX_RTO);
  }

  /**
   * New data was acknowledged, though nothing could be measured. (5.7) would keep what was backed
   * off until something is; with that, a lost segment after a partition waits for a minute again.
   * Half of it is enough for a path that has become slow, and goes away fast on one that has not.
   */
  void progress() {
    rto = Math.max(rto / 2, measured ? wanted() : INITIAL_RTO);
  }

  private long wanted() {
    return Math.clamp(smoothed + Math.max(GRANULARITY, 4 * variation), MIN_RTO, MAX_RTO);
  }

  long rto() {
    return rto;
  }
}
