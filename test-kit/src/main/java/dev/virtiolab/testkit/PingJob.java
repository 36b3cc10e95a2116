package dev.virtiolab.testkit;

import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.stack.Ping;
import dev.virtiolab.lab.GuestThread.Job;
import java.time.Duration;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;

/** A series of echo requests on the guest's thread, between its turns; any number under way. */
final class PingJob implements Job {
  /** With no interval: how long a request that is not answered holds the next one up. */
  private static final long FLOOD_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

  private static final long FIRST_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** After the last answer: for one that comes twice. */
  private static final long LINGER_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

  private static final long NEVER_ANSWERED = 0;

  private final PingPlan plan;

  /** By the guest's clock; element 0 is of nobody. */
  private final long[] sentNanos;

  private final long[] roundTripNanos;
  private final TreeSet<Integer> duplicated = new TreeSet<>();
  private final TreeSet<Integer> damaged = new TreeSet<>();

  private Ping ping;
  private int identifier;
  private long startNanos;
  private int sent;
  private int answered;
  private long lastSentNanos;
  private long lastHeardNanos;
  private boolean ended;

  PingJob(PingPlan plan) {
    this.plan = plan;
    sentNanos = new long[plan.count() + 1];
    roundTripNanos = new long[plan.count() + 1];
  }

  @Override
  public long step(Firmware firmware) {
    if (ping == null) {
      ping = firmware.stack().ping(plan.target(), plan.size());
      ping.listen(this::replied);
      identifier = ping.identifier();
      startNanos = System.nanoTime();
    }
    long now = System.nanoTime();
    long next = plan.deadline().toNanos() - (now - startNanos);
    boolean late = next <= 0 || ended;
    while (!late && sent < plan.count()) {
      long wait = untilNext(now);
      if (wait > 0) {
        return Math.min(wait, next);
      }
      if (!ping.send(plan.patience().plusSeconds(1).toNanos())) {
        return FLOOD_NANOS / 100; // no room: the device has to transmit first
      }
      sent++;
      sentNanos[sent] = ping.sentNanos();
      lastSentNanos = now;
    }
    long left =
        answered == sent
            ? LINGER_NANOS - (now - lastHeardNanos)
            : plan.patience().toNanos() - (now - lastSentNanos);
    if (late || left <= 0) {
      close();
      return DONE;
    }
    return Math.min(left, next);
  }

  private long untilNext(long now) {
    if (sent == 0) {
      return 0;
    }
    if (plan.interval().isZero()) {
      return answered == sent ? 0 : FLOOD_NANOS - (now - lastSentNanos);
    }
    if (sent == 1 && answered == 0 && now - lastSentNanos < firstNanos()) {
      // Whoever is asked may have to be found first, and only few requests wait for that.
      return firstNanos() - (now - lastSentNanos);
    }
    // Counted from the last: what is late is not made up for, by a burst for which nobody has room.
    return lastSentNanos + plan.interval().toNanos() - now;
  }

  /** How long the first request holds the second up, where it is not answered. */
  private long firstNanos() {
    return Math.min(FIRST_NANOS, plan.patience().toNanos());
  }

  private void replied(int sequence, long nanos, boolean intact) {
    if (sequence < 1 || sequence > sent) {
      return; // nobody asked that
    }
    lastHeardNanos = System.nanoTime();
    if (!intact) {
      damaged.add(sequence);
    } else if (roundTripNanos[sequence] == NEVER_ANSWERED) {
      roundTripNanos[sequence] = Math.max(1, nanos - sentNanos[sequence]);
      answered++;
    } else {
      duplicated.add(sequence);
    }
  }

  /** On the guest's thread, at the end, however it comes. */
  void close() {
    ended = true;
    if (ping != null) {
      ping.close();
    }
  }

  /** Once it is done; any thread. */
  PingReport report() {
    TreeMap<Integer, Duration> roundTrips = new TreeMap<>();
    for (int sequence = 1; sequence <= sent; sequence++) {
      if (roundTripNanos[sequence] != NEVER_ANSWERED) {
        roundTrips.put(sequence, Duration.ofNanos(roundTripNanos[sequence]));
      }
    }
    return new PingReport(plan.target(), identifier, sent, roundTrips, duplicated, damaged);
  }
}
