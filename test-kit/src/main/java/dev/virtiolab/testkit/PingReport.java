package dev.virtiolab.testkit;

import dev.virtiolab.firmware.stack.Ipv4Address;
import java.time.Duration;
import java.util.Collections;
import java.util.LongSummaryStatistics;
import java.util.Map;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * What became of a series of echo requests, by sequence number, from 1.
 *
 * @param identifier what told the series from others, 16 bits
 * @param sent how many requests were sent
 * @param roundTrips of those that were answered, until the first answer that was intact
 * @param duplicated those that were answered more than once
 * @param damaged those that an answer with other bytes came for; they are lost unless another came
 */
public record PingReport(
    Ipv4Address target,
    int identifier,
    int sent,
    SortedMap<Integer, Duration> roundTrips,
    SortedSet<Integer> duplicated,
    SortedSet<Integer> damaged) {

  /** Sequence numbers that a line shows. */
  private static final int SHOWN = 20;

  /** An unchanging copy. */
  public PingReport {
    roundTrips = Collections.unmodifiableSortedMap(new TreeMap<>(roundTrips));
    duplicated = Collections.unmodifiableSortedSet(new TreeSet<>(duplicated));
    damaged = Collections.unmodifiableSortedSet(new TreeSet<>(damaged));
  }

  /** Those that were answered. */
  public SortedSet<Integer> answered() {
    return new TreeSet<>(roundTrips.keySet());
  }

  /** Those that were sent and not answered in time. */
  public SortedSet<Integer> lost() {
    SortedSet<Integer> lost = new TreeSet<>();
    for (int sequence = 1; sequence <= sent; sequence++) {
      if (!roundTrips.containsKey(sequence)) {
        lost.add(sequence);
      }
    }
    return lost;
  }

  /** Whether everything was answered. */
  public boolean isComplete() {
    return roundTrips.size() == sent;
  }

  /** From request to answer, of all that were answered; zero if none was. */
  public Duration averageRoundTrip() {
    LongSummaryStatistics nanos = nanos();
    return Duration.ofNanos((long) nanos.getAverage());
  }

  /** The longest of them; zero if none was answered. */
  public Duration longestRoundTrip() {
    LongSummaryStatistics nanos = nanos();
    return nanos.getCount() == 0 ? Duration.ZERO : Duration.ofNanos(nanos.getMax());
  }

  private LongSummaryStatistics nanos() {
    return roundTrips.values().stream().mapToLong(Duration::toNanos).summaryStatistics();
  }

  /** In a line or two, for a message. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    text.append(
        "%d pings to %s: %d answered, %d lost, %d duplicated, %d damaged"
            .formatted(
                sent, target, roundTrips.size(), lost().size(), duplicated.size(), damaged.size()));
    if (!roundTrips.isEmpty()) {
      text.append(
          "; %.3f ms on average, %.3f at most"
              .formatted(averageRoundTrip().toNanos() / 1e6, longestRoundTrip().toNanos() / 1e6));
    }
    for (Map.Entry<String, SortedSet<Integer>> list :
        Map.of("lost", lost(), "duplicated", duplicated).entrySet()) {
      if (!list.getValue().isEmpty()) {
        text.append("; ").append(list.getKey()).append(": icmp_seq");
        list.getValue().stream().limit(SHOWN).forEach(number -> text.append(' ').append(number));
        text.append(list.getValue().size() > SHOWN ? " ..." : "");
      }
    }
    return text.toString();
  }
}
