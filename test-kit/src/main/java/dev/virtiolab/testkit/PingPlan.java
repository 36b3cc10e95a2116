package dev.virtiolab.testkit;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.Ping;
import java.time.Duration;

/**
 * A series of echo requests: by default 3 of them with 56 bytes, 10 ms apart, each of which may
 * take a second.
 *
 * <pre>{@code
 * guest.ping("192.0.2.2", ping -> ping.count(10_000).interval(Duration.ofMillis(1)))
 * }</pre>
 *
 * @param count from 1 to 65,535: a sequence number has 16 bits
 * @param size bytes of payload, from 0 to 65,507; beyond the MTU in fragments
 * @param interval from one request to the next; zero sends the next when the last was answered, or
 *     10 ms have passed, as {@code ping -f} does
 * @param patience how long to wait for an answer after the last request was sent
 * @param deadline how long the series takes at most; what was not sent by then counts as not sent
 */
public record PingPlan(
    Ipv4Address target,
    int count,
    int size,
    Duration interval,
    Duration patience,
    Duration deadline) {

  /** Sequence numbers begin at 1. */
  public static final int MOST = 0xffff;

  /**
   * @throws IllegalArgumentException if a value is out of its range
   */
  public PingPlan {
    if (count < 1 || count > MOST) {
      throw new IllegalArgumentException("a series has 1 to " + MOST + " pings, not " + count);
    }
    if (size < 0 || size > Ping.MAX_PAYLOAD_BYTES) {
      throw new IllegalArgumentException(
          "a ping carries 0 to " + Ping.MAX_PAYLOAD_BYTES + " bytes, not " + size);
    }
    if (interval.isNegative() || patience.isNegative() || deadline.isNegative()) {
      throw new IllegalArgumentException("a negative time");
    }
  }

  /** As it is without a word. */
  public static PingPlan to(Ipv4Address target) {
    return new PingPlan(
        target, 3, 56, Duration.ofMillis(10), Duration.ofSeconds(1), Duration.ofMinutes(5));
  }

  public PingPlan count(int requests) {
    return new PingPlan(target, requests, size, interval, patience, deadline);
  }

  public PingPlan size(int bytes) {
    return new PingPlan(target, count, bytes, interval, patience, deadline);
  }

  public PingPlan interval(Duration time) {
    return new PingPlan(target, count, size, time, patience, deadline);
  }

  public PingPlan patience(Duration time) {
    return new PingPlan(target, count, size, interval, time, deadline);
  }

  public PingPlan deadline(Duration time) {
    return new PingPlan(target, count, size, interval, patience, time);
  }
}
