package dev.virtiolab.testkit;

import dev.virtiolab.net.fault.Direction;
import dev.virtiolab.net.fault.Fault;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * What befell which frame of a guest's wire, in the order in which it did, until the journal was
 * asked for. Delay is no entry: it befalls every frame.
 *
 * @param entries the first 65,536
 * @param missed how many came later
 */
public record WireJournal(List<Entry> entries, long missed) {

  /**
   * One entry.
   *
   * @param nanos when, since the wire was made
   * @param direction OUT from the guest, IN to it
   * @param number of the frame in its direction, from 1
   * @param frame its beginning, as it was then
   */
  public record Entry(long nanos, Direction direction, long number, Fault fault, Frame frame) {
    @Override
    public String toString() {
      return "%.3f ms: frame %d %s %s: %s"
          .formatted(
              nanos / 1e6,
              number,
              direction == Direction.OUT ? "from the guest" : "to the guest",
              fault.word(),
              frame);
    }
  }

  /** An unchanging copy. */
  public WireJournal {
    entries = List.copyOf(entries);
  }

  /** The numbers of the frames that {@code fault} befell. */
  public SortedSet<Long> numbers(Direction direction, Fault fault) {
    return entries.stream()
        .filter(entry -> entry.direction == direction && entry.fault == fault)
        .map(Entry::number)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /**
   * The sequence numbers of the echo requests and replies that did not arrive, of whatever series:
   * where there is no other fault, what {@link PingReport#lost()} is to say.
   */
  public SortedSet<Integer> droppedPings() {
    return pings(Fault::isDrop);
  }

  /** The sequence numbers of the echo requests and replies that this befell. */
  public SortedSet<Integer> pings(Fault fault) {
    return pings(fault::equals);
  }

  private SortedSet<Integer> pings(Predicate<Fault> wanted) {
    return entries.stream()
        .filter(entry -> wanted.test(entry.fault))
        .flatMap(entry -> entry.frame.echo().stream())
        .map(Frame.Echo::sequence)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /** What was added since an earlier look at the same wire. */
  public WireJournal since(WireJournal earlier) {
    return new WireJournal(
        entries.subList(earlier.entries.size(), entries.size()), missed - earlier.missed);
  }
}
