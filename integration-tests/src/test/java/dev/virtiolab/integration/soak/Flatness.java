package dev.virtiolab.integration.soak;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToLongFunction;

/**
 * Whether a process stayed as it was. The first quarter of the measurements is warm-up: caches
 * fill, code is compiled. After that the median of the last quarter is held against that of the
 * second; each has an allowance for noise, which does not grow with the time that was run.
 */
final class Flatness {
  /** Below this there are no quarters to speak of. */
  static final int FEWEST_MEASUREMENTS = 8;

  private static final long MIB = 1 << 20;

  /**
   * One of the things that are to stay flat.
   *
   * @param unit bytes in one of what is shown, or 1
   * @param allowance by which the later median may be higher
   */
  private record Line(String name, ToLongFunction<Vitals> value, long unit, long allowance) {}

  private static final List<Line> LINES =
      List.of(
          new Line("heap", Vitals::heapBytes, MIB, 4 * MIB),
          // Compiled code and what malloc keeps for itself are in it.
          new Line("resident memory", Vitals::residentBytes, MIB, 48 * MIB),
          new Line("descriptors", Vitals::descriptors, 1, 0),
          new Line("threads", Vitals::threads, 1, 0));

  /**
   * What grew, a line each; none if nothing did.
   *
   * @param measured in the order of time, {@value #FEWEST_MEASUREMENTS} at least
   */
  static List<String> complaints(List<Vitals> measured) {
    if (measured.size() < FEWEST_MEASUREMENTS) {
      throw new IllegalArgumentException(
          "%d measurements; it takes %d".formatted(measured.size(), FEWEST_MEASUREMENTS));
    }
    int quarter = measured.size() / 4;
    List<Vitals> early = measured.subList(quarter, 2 * quarter);
    List<Vitals> late = measured.subList(measured.size() - quarter, measured.size());
    List<String> complaints = new ArrayList<>();
    for (Line line : LINES) {
      long before = median(early, line.value);
      long after = median(late, line.value);
      if (after - before > line.allowance) {
        complaints.add(
            String.format(
                Locale.ROOT,
                "%s grew from %,d to %,d%s",
                line.name,
                before / line.unit,
                after / line.unit,
                line.unit == MIB ? " MiB" : ""));
      }
    }
    return complaints;
  }

  private static long median(List<Vitals> some, ToLongFunction<Vitals> value) {
    long[] sorted = some.stream().mapToLong(value).sorted().toArray();
    return sorted[sorted.length / 2];
  }

  private Flatness() {}
}
