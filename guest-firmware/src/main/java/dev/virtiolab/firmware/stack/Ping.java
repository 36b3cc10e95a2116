package dev.virtiolab.firmware.stack;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Echo requests to one host, one at a time: RFC 792, "Echo or Echo Reply Message". The thread that
 * polls the stack drives it:
 *
 * <pre>
 *   IDLE, REPLIED, TIMED_OUT --send()--> WAITING --reply--> REPLIED
 *                                            +----tick----> TIMED_OUT
 * </pre>
 */
public final class Ping implements AutoCloseable {
  /** The largest payload: 65535 bytes less the headers of IPv4 and ICMP. */
  public static final int MAX_PAYLOAD_BYTES =
      Ipv4Layout.MAX_PAYLOAD_BYTES - IcmpLayout.HEADER_BYTES;

  /** What has become of the last request. */
  public enum State {
    IDLE,
    WAITING,
    REPLIED,
    TIMED_OUT
  }

  /** Is told of every reply with the series' identifier, be it late, repeated or damaged. */
  @FunctionalInterface
  public interface Listener {
    /** Listens to nothing. */
    Listener NONE = (sequence, nanos, intact) -> {};

    /**
     * A reply came. On the firmware's thread.
     *
     * @param sequence of 16 bits
     * @param nanos the clock's
     * @param intact whether it brings back what the request with this number held
     */
    void replied(int sequence, long nanos, boolean intact);
  }

  private final NetworkStack stack;
  private final Ipv4Address target;
  private final int identifier;
  private final int payloadBytes;

  private Listener listener = Listener.NONE;
  private State state = State.IDLE;
  private int sequence;
  private long sentNanos;
  private long timeoutNanos;
  private long roundTripNanos;
  private int timeToLive;
  private long sent;
  private long replies;
  private long timeouts;

  Ping(NetworkStack stack, Ipv4Address target, int identifier, int payloadBytes) {
    this.stack = stack;
    this.target = target;
    this.identifier = identifier;
    this.payloadBytes = payloadBytes;
  }

  /** Tells {@code told} of replies from now on, instead of whom it told before. */
  public void listen(Listener told) {
    listener = told;
  }

  public Ipv4Address target() {
    return target;
  }

  public State state() {
    return state;
  }

  /** The number of the last request, from 1; 16 bits. */
  public int sequence() {
    return sequence;
  }

  /** When the last request was sent, by the firmware's clock. */
  public long sentNanos() {
    return sentNanos;
  }

  /** From sending to the poll that saw the reply; meaningful once REPLIED. */
  public long roundTripNanos() {
    return roundTripNanos;
  }

  /** What was left of the reply's hops; meaningful once REPLIED. */
  public int timeToLive() {
    return timeToLive;
  }

  public int payloadBytes() {
    return payloadBytes;
  }

  public long sent() {
    return sent;
  }

  public long replies() {
    return replies;
  }

  public long timeouts() {
    return timeouts;
  }

  /**
   * Sends the next request. One that still waited counts as timed out.
   *
   * @param timeoutNanos how long {@link NetworkStack#tick} waits for the reply, at least 1
   * @return false if there is no room now: nothing has changed, try after the next poll
   */
  public boolean send(long timeoutNanos) {
    if (timeoutNanos < 1) {
      throw new IllegalArgumentException("timeout of " + timeoutNanos + " ns");
    }
    int next = sequence + 1 & 0xffff;
    if (!stack.sendEchoRequest(this, next)) {
      return false;
    }
    if (state == State.WAITING) {
      timeouts++;
    }
    sequence = next;
    sentNanos = stack.nanos();
    this.timeoutNanos = timeoutNanos;
    state = State.WAITING;
    sent++;
    return true;
  }

  /** Waits for no more replies. */
  @Override
  public void close() {
    stack.forget(this);
  }

  /** What tells this series from others, 16 bits. */
  public int identifier() {
    return identifier;
  }

  /** Fills in the payload of a request: every byte tells its place and its request. */
  void fill(MemorySegment bytes, long at, int sequence) {
    for (int i = 0; i < payloadBytes; i++) {
      bytes.set(ValueLayout.JAVA_BYTE, at + i, payload(sequence, i));
    }
  }

  /** A reply with our identifier from our target. */
  StackCounter reply(IcmpMessage message, int timeToLive, long nowNanos) {
    boolean intact = isOurs(message);
    listener.replied(message.sequence(), nowNanos, intact);
    if (state != State.WAITING || message.sequence() != sequence) {
      return StackCounter.ECHO_REPLY_STRAY;
    }
    if (!intact) {
      return StackCounter.ECHO_REPLY_CORRUPT;
    }
    state = State.REPLIED;
    roundTripNanos = nowNanos - sentNanos;
    this.timeToLive = timeToLive;
    replies++;
    return StackCounter.ECHO_REPLIES_IN;
  }

  void tick(long nowNanos) {
    if (state == State.WAITING && nowNanos - sentNanos >= timeoutNanos) {
      state = State.TIMED_OUT;
      timeouts++;
    }
  }

  private boolean isOurs(IcmpMessage message) {
    if (message.dataLength() != payloadBytes) {
      return false;
    }
    for (int i = 0; i < payloadBytes; i++) {
      byte there = message.bytes().get(ValueLayout.JAVA_BYTE, message.dataOffset() + i);
      if (there != payload(message.sequence(), i)) {
        return false;
      }
    }
    return true;
  }

  private static byte payload(int sequence, int index) {
    return (byte) (sequence + index);
  }
}
