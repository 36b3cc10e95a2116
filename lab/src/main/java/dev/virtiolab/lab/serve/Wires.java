package dev.virtiolab.lab.serve;

import dev.virtiolab.net.BackendCounters;
import dev.virtiolab.net.NetBackend;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/**
 * What a NIC that is served is plugged into.
 *
 * @param all one, or the queues of a TAP
 */
record Wires(List<NetBackend> all) {

  /** What they take, if that is less than a NIC sends by itself. */
  OptionalInt mtu() {
    return all.getFirst().mtu();
  }

  /** Frames that got lost on them. */
  long lost() {
    return all.stream()
        .map(NetBackend::counters)
        .mapToLong(counters -> counters.droppedOut() + counters.droppedIn())
        .sum();
  }

  /** A line for each of several, for a person. */
  List<String> describePairs() {
    if (all.size() == 1) {
      return List.of();
    }
    return IntStream.range(0, all.size()).mapToObj(this::describePair).toList();
  }

  private String describePair(int pair) {
    BackendCounters crossed = all.get(pair).counters();
    return "queue pair %d: %d frames to the driver, %d from it"
        .formatted(pair + 1, crossed.framesIn(), crossed.framesOut());
  }
}
