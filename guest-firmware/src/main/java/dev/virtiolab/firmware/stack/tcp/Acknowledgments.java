package dev.virtiolab.firmware.stack.tcp;

/**
 * When a connection says what it has: at once where something is amiss or two full segments are
 * there, else a little later, together with whatever else goes that way (RFC 9293, 3.8.6.3; RFC
 * 5681, 4.2). Answers to what may be a guess are few (RFC 5961, section 7).
 */
final class Acknowledgments {
  /** RFC 9293, 3.8.6.3: less than half a second. */
  static final long DELAYED_NANOS = 40_000_000L;

  /** Between two answers to segments that are not acceptable: RFC 5961, section 7. */
  static final long CHALLENGE_NANOS = 500_000_000L;

  private boolean due;
  private boolean armed;
  private long dueNanos;
  private int bytes;
  private int largestSegment;
  private boolean challenged;
  private long challengedNanos;

  /** Whether one is to be sent. */
  boolean isDue() {
    return due;
  }

  /** One is to be sent. */
  void demand() {
    due = true;
  }

  /**
   * Data came.
   *
   * @param taken bytes by which what is there in order has grown
   * @param segment bytes that the segment had
   * @param atOnce whether something is amiss, or over
   */
  void came(int taken, int segment, boolean atOnce, long now) {
    bytes += taken;
    largestSegment = Math.max(largestSegment, segment);
    if (atOnce || bytes >= 2 * largestSegment) {
      due = true;
    } else if (!armed) {
      armed = true;
      dueNanos = now + DELAYED_NANOS;
    }
  }

  /**
   * A segment came that somebody may have guessed.
   *
   * @return whether it is answered
   */
  boolean challenge(long now) {
    if (challenged && now - challengedNanos < CHALLENGE_NANOS) {
      return false;
    }
    challenged = true;
    challengedNanos = now;
    due = true;
    return true;
  }

  /** Whether one has become due by waiting. */
  boolean tick(long now) {
    if (!armed || now - dueNanos < 0) {
      return false;
    }
    due = true;
    return true;
  }

  /** One was sent, be it together with data. */
  void sent() {
    due = false;
    armed = false;
    bytes = 0;
  }

  /** None will be sent any more. */
  void cancel() {
    due = false;
    armed = false;
  }
}
