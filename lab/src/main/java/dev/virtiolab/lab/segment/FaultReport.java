package dev.virtiolab.lab.segment;

import java.util.List;
import java.util.Locale;
import java.util.StringJoiner;
import java.util.stream.Collectors;

/**
 * What {@code --fault} did to the frames of a run.
 *
 * @param seed that gives the same faults to the same frames again
 * @param fromGuest frames from the NIC to the wire
 * @param toGuest frames from the wire to the NIC
 * @param droppedPings which requests and replies did not arrive
 */
public record FaultReport(long seed, Way fromGuest, Way toGuest, Pings droppedPings) {
  /** Sequence numbers that a line shows. */
  private static final int SHOWN = 20;

  /**
   * One direction.
   *
   * @param frames that came
   * @param waiting frames and copies that are still under way
   */
  public record Way(
      long frames,
      long lost,
      long partitioned,
      long linkDown,
      long overflowed,
      long corrupted,
      long duplicated,
      long reordered,
      long waiting) {

    private String describe() {
      StringJoiner text = new StringJoiner(", ");
      text.add(String.format(Locale.ROOT, "%,d frames", frames));
      text.add(String.format(Locale.ROOT, "%,d lost", lost));
      add(text, partitioned, "partitioned");
      add(text, linkDown, "without a link");
      add(text, overflowed, "without room");
      add(text, corrupted, "corrupted");
      add(text, duplicated, "duplicated");
      add(text, reordered, "reordered");
      add(text, waiting, "still under way");
      return text.toString();
    }

    private static void add(StringJoiner text, long count, String what) {
      if (count > 0) {
        text.add(String.format(Locale.ROOT, "%,d %s", count, what));
      }
    }
  }

  /**
   * ICMP sequence numbers, in the order in which they were dropped; the first {@value
   * LostPings#CAPACITY} of each.
   */
  public record Pings(List<Integer> requests, List<Integer> replies) {}

  /** For a person. */
  public String describe() {
    StringBuilder text = new StringBuilder();
    text.append(String.format(Locale.ROOT, "faults  --seed %d gives the same again%n", seed));
    text.append(String.format("        from the guest: %s%n", fromGuest.describe()));
    text.append(String.format("        to the guest: %s", toGuest.describe()));
    list(text, "requests", droppedPings.requests);
    list(text, "replies", droppedPings.replies);
    return text.toString();
  }

  private static void list(StringBuilder text, String what, List<Integer> numbers) {
    if (numbers.isEmpty()) {
      return;
    }
    String shown =
        numbers.stream().limit(SHOWN).map(String::valueOf).collect(Collectors.joining(" "));
    int more = numbers.size() - SHOWN;
    text.append(
        String.format(
            Locale.ROOT,
            "%n        dropped %s: icmp_seq %s%s",
            what,
            shown,
            more > 0 ? " and " + more + " more" : ""));
  }
}
