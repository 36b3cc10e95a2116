package dev.virtiolab.lab.segment;

import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.Ping;
import dev.virtiolab.lab.GuestThread;
import dev.virtiolab.lab.LabException;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** A series of echo requests from the guest's own stack, told in the words of ping. */
final class GuestPing {
  private static final long TIMEOUT_NANOS = TimeUnit.SECONDS.toNanos(2);
  private static final long INTERVAL_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final int ICMP_HEADER_BYTES = 8;

  private final GuestThread guest;
  private final String sender;
  private final Ipv4Address target;
  private final long count;
  private final int size;
  private final boolean flood;
  private final Consumer<String> progress;
  private volatile boolean cancelled;

  /**
   * @param sender what to call the guest
   */
  GuestPing(
      GuestThread guest,
      String sender,
      Ipv4Address target,
      long count,
      int size,
      boolean flood,
      Consumer<String> progress) {
    this.guest = guest;
    this.sender = sender;
    this.target = target;
    this.count = count;
    this.size = size;
    this.flood = flood;
    this.progress = progress;
  }

  /** Runs the series; Ctrl-C cuts it short. */
  PingResult run() {
    progress.accept("PING " + target + " from " + sender + ": " + size + " data bytes");
    return guest.ask(this::series, () -> cancelled = true);
  }

  /** On the guest's thread. */
  private PingResult series(Firmware firmware) {
    long totalNanos = 0;
    long minNanos = Long.MAX_VALUE;
    long maxNanos = 0;
    try (Ping ping = firmware.stack().ping(target, size)) {
      while (ping.sent() < count && !cancelled) {
        send(firmware, ping);
        long start = System.nanoTime();
        while (ping.state() == Ping.State.WAITING && !cancelled) {
          firmware.turn();
        }
        if (ping.state() == Ping.State.REPLIED) {
          long nanos = ping.roundTripNanos();
          totalNanos += nanos;
          minNanos = Math.min(minNanos, nanos);
          maxNanos = Math.max(maxNanos, nanos);
        }
        if (!cancelled) {
          tell(ping);
        }
        while (!flood
            && ping.sent() < count
            && System.nanoTime() - start < INTERVAL_NANOS
            && !cancelled) {
          firmware.turn();
        }
      }
      return ping.replies() == 0
          ? new PingResult(ping.sent(), 0, Double.NaN, Double.NaN, Double.NaN)
          : new PingResult(
              ping.sent(),
              ping.replies(),
              millis(minNanos),
              millis(totalNanos) / ping.replies(),
              millis(maxNanos));
    }
  }

  /** Sends the next request; where there is no room for it, what is under way goes first. */
  private void send(Firmware firmware, Ping ping) {
    long start = System.nanoTime();
    while (!cancelled && !ping.send(TIMEOUT_NANOS)) {
      if (System.nanoTime() - start > TIMEOUT_NANOS) {
        throw LabException.failure("the guest's network card transmits nothing any more");
      }
      firmware.turn();
    }
  }

  private void tell(Ping ping) {
    if (flood) {
      return;
    }
    progress.accept(
        ping.state() == Ping.State.REPLIED
            ? String.format(
                Locale.ROOT,
                "%d bytes from %s: icmp_seq=%d ttl=%d time=%.3f ms",
                size + ICMP_HEADER_BYTES,
                target,
                ping.sequence(),
                ping.timeToLive(),
                millis(ping.roundTripNanos()))
            : "no answer: icmp_seq=" + ping.sequence());
  }

  private static double millis(long nanos) {
    return nanos / 1e6;
  }
}
