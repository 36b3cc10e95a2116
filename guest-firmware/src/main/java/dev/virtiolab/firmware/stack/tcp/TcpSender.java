package dev.virtiolab.firmware.stack.tcp;

import dev.virtiolab.firmware.stack.bytes.ByteRing;
import java.lang.foreign.MemorySegment;

/**
 * The sending half of a connection: what is queued, on its way and acknowledged, and one timer.
 *
 * <pre>
 *          una              nxt              max            end
 *   -------+----------------+----------------+--------------+-------
 *    known |   on its way   |  sent, and to  |  queued      | free
 *    there |                |  be sent again |              |
 * </pre>
 *
 * <p>{@code nxt} falls back to {@code una} when the timer runs out, and all from there is sent
 * again as acknowledgments allow. The one timer waits for an acknowledgment where something is on
 * its way, and for a window otherwise (RFC 9293, 3.8.6.1 "Zero-Window Probing"): in both cases what
 * it does is to send at least one byte from {@code una}, whatever the window says.
 */
final class TcpSender {
  /** What has become of a timer. */
  enum Timer {
    WAITING,
    /** Something is to be sent again. */
    EXPIRED,
    /** The peer has not answered for too long. */
    HOPELESS
  }

  /** RFC 9293, 3.8.3, R2 of data: at least 100 seconds. */
  static final long GIVE_UP_NANOS = 300_000_000_000L;

  /** R2 of a SYN: at least three minutes. */
  static final long GIVE_UP_SYN_NANOS = 180_000_000_000L;

  private final int capacity;
  private final CongestionControl congestion = new CongestionControl();
  private final RttEstimator rtt = new RttEstimator();
  private ByteRing ring;

  private int una;
  private int nxt;
  private int max;
  private int end;
  private boolean finQueued;

  private int mss;
  private int window;
  private int largestWindow;
  private int windowSequence;
  private int windowAcknowledgment;

  private boolean timing;
  private int timedEnd;
  private long timedNanos;

  private boolean armed;
  private long dueNanos;
  private boolean stuck;
  private long stuckNanos;
  private long sentNanos;
  private boolean handshakeLost;

  /** The segment at una goes next, out of turn. */
  private boolean resendFirst;

  /** At least something goes from una, whatever the window says. */
  private boolean forced;

  /** What goes from una does not fit the window, and may not have been taken. */
  private boolean probing;

  private int pieceSequence;
  private int pieceLength;
  private boolean pieceFin;

  /**
   * @param capacity of the buffer in bytes, a power of two
   */
  TcpSender(int capacity) {
    this.capacity = capacity;
  }

  /** Starts before the SYN. */
  void start(int initialSequence) {
    una = initialSequence;
    nxt = initialSequence;
    max = initialSequence;
    end = initialSequence + 1;
  }

  /** A SYN was sent, for the first time or again. */
  void synSent(long nowNanos) {
    if (max == una) {
      timing = true;
      timedEnd = una + 1;
      timedNanos = nowNanos;
    } else {
      timing = false;
      handshakeLost = true;
    }
    nxt = una + 1;
    max = nxt;
    forced = false;
    sentNanos = nowNanos;
    arm(nowNanos);
  }

  /** Whether the SYN is to be sent, or to be sent again. */
  boolean isSynDue() {
    return nxt == una;
  }

  /** Our SYN is acknowledged. */
  void established(int mss, int window, int sequence, long nowNanos) {
    if (timing) {
      rtt.sample(nowNanos - timedNanos);
      timing = false;
    }
    congestion.start(mss, una, handshakeLost);
    una = una + 1;
    nxt = una;
    max = una;
    this.mss = mss;
    setWindow(window, sequence, una);
    armed = false;
    stuck = false;
  }

  // ---- the user's side

  int free() {
    return capacity - (end - firstKept());
  }

  /** Before the handshake is over una is the SYN's, which takes no room. */
  private int firstKept() {
    return mss == 0 ? una + 1 : una;
  }

  /**
   * Queues bytes.
   *
   * @return how many: as many as there is room for
   */
  int queue(MemorySegment from, long at, int length) {
    int taken = Math.min(length, free());
    if (taken > 0) {
      if (ring == null) {
        ring = new ByteRing(capacity);
      }
      ring.put(end, from, at, taken);
      end += taken;
    }
    return taken;
  }

  void queueFin() {
    finQueued = true;
  }

  // ---- what goes next

  /** Chooses what is to be sent now; false if nothing may. */
  boolean choose() {
    if (resendFirst) {
      pieceSequence = una;
      pieceLength = Math.min(mss, Sequence.min(max, end) - una);
      pieceFin = finQueued && una + pieceLength == end;
      return true;
    }
    int available = end - nxt;
    if (available < 0) {
      return false; // the FIN is out
    }
    pieceSequence = nxt;
    pieceLength = allowed(available);
    if (pieceLength == 0 && available > 0 && forced) {
      pieceLength = Math.min(Math.min(mss, available), Math.max(window, 1));
      probing = window == 0;
    }
    // A FIN does not wait for a window: no byte goes with it that could be refused.
    pieceFin = finQueued && pieceLength == available;
    return pieceLength > 0 || pieceFin;
  }

  /** As much as windows and RFC 9293, 3.8.6.2.1 (no silly windows; no Nagle algorithm) allow. */
  private int allowed(int available) {
    int flight = nxt - una;
    int wanted = Math.min(available, mss);
    if (wanted > congestion.window() - flight) {
      return 0;
    }
    int room = window - flight;
    if (wanted <= room) {
      return wanted;
    }
    return room > 0 && room >= largestWindow / 2 ? room : 0;
  }

  int pieceSequence() {
    return pieceSequence;
  }

  int pieceLength() {
    return pieceLength;
  }

  boolean pieceFin() {
    return pieceFin;
  }

  /** Whether nothing is queued behind the piece. */
  boolean pieceIsLast() {
    return pieceSequence + pieceLength == end;
  }

  /** Where the bytes of the piece are. */
  ByteRing ring() {
    return ring;
  }

  /**
   * The piece has been sent.
   *
   * @return whether some of it for another time
   */
  boolean sent(long nowNanos) {
    int pieceEnd = pieceSequence + pieceLength + (pieceFin ? 1 : 0);
    boolean again = Sequence.before(pieceSequence, max);
    if (resendFirst) {
      resendFirst = false;
      nxt = Sequence.max(nxt, pieceEnd);
    } else {
      nxt = pieceEnd;
    }
    forced = false;
    if (again) {
      timing = false; // Karn: RFC 6298, section 3
    } else if (!timing) {
      timing = true;
      timedEnd = pieceEnd;
      timedNanos = nowNanos;
    }
    max = Sequence.max(max, pieceEnd);
    sentNanos = nowNanos;
    if (!armed) {
      arm(nowNanos);
    }
    return again;
  }

  /** Nothing more may be sent: where that is for want of a window alone, the timer will ask. */
  void rest(long nowNanos) {
    if (!armed && una == max && Sequence.before(nxt, end)) {
      arm(nowNanos);
    }
  }

  // ---- what comes back

  /** RFC 5961, 5.2: neither of something never sent, nor older than any window. */
  boolean isAcceptable(int acknowledgment) {
    return !Sequence.after(acknowledgment, max)
        && !Sequence.before(acknowledgment, una - largestWindow);
  }

  /**
   * An acceptable acknowledgment came.
   *
   * @param window what the peer takes, in bytes
   * @param bare whether it came with nothing else that counts
   */
  void acknowledge(int acknowledgment, int sequence, int window, boolean bare, long nowNanos) {
    if (Sequence.before(acknowledgment, una)) {
      return;
    }
    if (acknowledgment != una) {
      takeNew(acknowledgment, nowNanos);
    } else if (bare && window == this.window && una != max && window != 0) {
      resendFirst |= congestion.duplicate(una, max);
    }
    if (Sequence.before(windowSequence, sequence)
        || windowSequence == sequence && !Sequence.after(windowAcknowledgment, acknowledgment)) {
      setWindow(window, sequence, acknowledgment);
    }
    if (this.window == 0) {
      stuckNanos = nowNanos; // it takes nothing, but it is alive
    } else if (probing) {
      probing = false;
      nxt = una;
    }
  }

  private void takeNew(int acknowledgment, long nowNanos) {
    int bytes = acknowledgment - una;
    if (timing && !Sequence.before(acknowledgment, timedEnd)) {
      timing = false;
      rtt.sample(nowNanos - timedNanos);
    } else {
      rtt.progress();
    }
    una = acknowledgment;
    nxt = Sequence.max(nxt, una);
    probing = false;
    forced = false;
    stuck = false;
    resendFirst = congestion.acknowledged(bytes, una, max - una) && una != max;
    if (una == max) {
      armed = false;
    } else {
      arm(nowNanos);
    }
  }

  private void setWindow(int window, int sequence, int acknowledgment) {
    this.window = window;
    largestWindow = Math.max(largestWindow, window);
    windowSequence = sequence;
    windowAcknowledgment = acknowledgment;
  }

  /** A router takes less: what is out is sent again in smaller pieces, which is no congestion. */
  void lowerMss(int mss) {
    this.mss = mss;
    congestion.mss(mss);
    nxt = una;
    timing = false;
    resendFirst = false;
  }

  /** Before data is sent after a pause: RFC 5681, 4.1. */
  void noteIdle(long nowNanos) {
    if (una == max && nowNanos - sentNanos > rtt.rto()) {
      congestion.idle();
    }
  }

  // ---- the timer

  private void arm(long nowNanos) {
    armed = true;
    dueNanos = nowNanos + rtt.rto();
  }

  /** Looks at the timer. */
  Timer tick(long giveUpNanos, long nowNanos) {
    if (!armed || nowNanos - dueNanos < 0) {
      return Timer.WAITING;
    }
    if (!stuck) {
      stuck = true;
      stuckNanos = nowNanos;
    } else if (nowNanos - stuckNanos >= giveUpNanos) {
      return Timer.HOPELESS;
    }
    rtt.backOff();
    if (una != max && window != 0) {
      congestion.timeout(una, max);
    }
    nxt = una;
    timing = false;
    resendFirst = false;
    forced = true;
    arm(nowNanos);
    return Timer.EXPIRED;
  }

  void disarm() {
    armed = false;
  }

  /** All is acknowledged, the FIN included: nothing will be sent any more. */
  void finish() {
    armed = false;
    ring = null; // a connection waits out its time for a minute
  }

  // ---- what it looks like

  /** Whether all that was queued, and the FIN, is acknowledged. */
  boolean isFinAcknowledged() {
    return finQueued && una == end + 1;
  }

  /** Whether {@code sequence} is on its way. */
  boolean isOut(int sequence) {
    return !Sequence.before(sequence, una) && Sequence.before(sequence, max);
  }

  int una() {
    return una;
  }

  /** One past the newest number that was sent: that of a segment without data. */
  int next() {
    return max;
  }

  int mss() {
    return mss;
  }

  /** Whether it holds a buffer. */
  boolean holdsBuffer() {
    return ring != null;
  }

  /** What the peer takes, in bytes. */
  int window() {
    return window;
  }

  /** Bytes that are queued and not acknowledged. */
  int pending() {
    return end - firstKept();
  }

  CongestionControl congestion() {
    return congestion;
  }

  RttEstimator rtt() {
    return rtt;
  }
}
