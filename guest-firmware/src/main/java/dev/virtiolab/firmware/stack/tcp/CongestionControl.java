package dev.virtiolab.firmware.stack.tcp;

/**
 * How much may be on its way: RFC 5681, "TCP Congestion Control", with the recovery of RFC 6582
 * ("NewReno"), limited transmit (RFC 3042) and growth by bytes (RFC 3465, L = 2).
 *
 * <pre>
 *   slow start --cwnd reaches ssthresh--> congestion avoidance
 *       ^  ^                                   |
 *       |  +--------- timeout -----------------+-- third duplicate --> recovery
 *       +------------ timeout ------------------------------------------- |
 *                     all that was out is acknowledged: avoidance  <------+
 * </pre>
 */
final class CongestionControl {
  private static final int DUPLICATES = 3;

  /** More than any send buffer; below it nothing can overflow. */
  private static final int MOST = 1 << 28;

  private int mss;
  private int cwnd;
  private int ssthresh = MOST;
  private int acknowledgedInAvoidance;
  private int duplicates;
  private boolean recovering;

  /** Whether the present loss has been answered by a timeout already. */
  private boolean timedOut;

  /** Duplicates up to here are echoes of what recovery or a timeout sent again. */
  private int recover;

  /**
   * Starts: RFC 5681, 3.1, the initial window.
   *
   * @param handshakeLost whether a SYN had to be sent again
   */
  void start(int mss, int initialSequence, boolean handshakeLost) {
    this.mss = mss;
    cwnd = handshakeLost ? mss : initialWindow();
    recover = initialSequence - 1;
  }

  private int initialWindow() {
    return Math.min(4 * mss, Math.max(2 * mss, 4380));
  }

  void mss(int mss) {
    this.mss = mss;
    cwnd = Math.max(cwnd, mss);
  }

  /** How many bytes may be on their way now. */
  int window() {
    // RFC 3042: the first two duplicates each let one more segment go.
    return recovering ? cwnd : cwnd + Math.min(duplicates, DUPLICATES - 1) * mss;
  }

  boolean isRecovering() {
    return recovering;
  }

  /** Nothing was sent for longer than a timeout: RFC 5681, 4.1. */
  void idle() {
    cwnd = Math.min(cwnd, initialWindow());
  }

  /**
   * New data is acknowledged.
   *
   * @param bytes how many
   * @param una the oldest number that is not acknowledged, after it
   * @param flight the bytes that are still on their way
   * @return whether the segment at {@code una} is lost, too, and is to be sent now
   */
  boolean acknowledged(int bytes, int una, int flight) {
    duplicates = 0;
    timedOut = false;
    if (!recovering) {
      grow(bytes);
      return false;
    }
    if (Sequence.before(una, recover)) {
      // RFC 6582, 3.2 (3), a partial acknowledgment: deflate by what it took, and one more goes.
      cwnd = Math.max(cwnd - bytes, 0) + mss;
      return true;
    }
    recovering = false;
    cwnd = Math.min(ssthresh, Math.max(flight, mss) + mss);
    // Nothing was sent twice but what was asked for: the next duplicates are of another loss.
    recover = una - 2;
    return false;
  }

  private void grow(int bytes) {
    if (cwnd < ssthresh) {
      cwnd = Math.min(cwnd + Math.min(bytes, 2 * mss), MOST);
      return;
    }
    acknowledgedInAvoidance += bytes;
    if (acknowledgedInAvoidance >= cwnd) {
      acknowledgedInAvoidance = 0;
      cwnd = Math.min(cwnd + mss, MOST);
    }
  }

  /**
   * An acknowledgment came that says nothing new: RFC 5681, 3.2.
   *
   * @param una the oldest number that is not acknowledged
   * @param max one past the newest that was sent
   * @return whether the segment at {@code una} is to be sent again now
   */
  boolean duplicate(int una, int max) {
    if (recovering) {
      cwnd = Math.min(cwnd + mss, MOST);
      return false;
    }
    duplicates = Math.min(duplicates + 1, DUPLICATES + 1);
    if (duplicates != DUPLICATES || !Sequence.after(una - 1, recover)) {
      return false;
    }
    recovering = true;
    recover = max;
    ssthresh = half(max - una);
    cwnd = ssthresh + DUPLICATES * mss;
    return true;
  }

  /** The timer has run out: RFC 5681, 3.1, equation (4), and RFC 6582, section 4. */
  void timeout(int una, int max) {
    if (!timedOut) {
      ssthresh = half(max - una);
    }
    timedOut = true;
    cwnd = mss;
    duplicates = 0;
    recovering = false;
    recover = max;
    acknowledgedInAvoidance = 0;
  }

  private int half(int flight) {
    return Math.max(flight / 2, 2 * mss);
  }

  int cwnd() {
    return cwnd;
  }

  int ssthresh() {
    return ssthresh;
  }
}
