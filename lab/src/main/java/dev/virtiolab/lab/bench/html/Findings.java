package dev.virtiolab.lab.bench.html;

import dev.virtiolab.lab.bench.BenchResult;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/** What a report says, in words: everything here follows from the results. */
final class Findings {
  private final List<BenchResult> results;

  /**
   * @param results at least one
   */
  Findings(List<BenchResult> results) {
    this.results = results;
  }

  /** The sentence above all: how fast the first platform is with the smallest frames. */
  String headline() {
    BenchResult first = smallestOfFirst();
    boolean one = first.threads() == 1;
    String verb =
        switch (first.direction()) {
          case "tx" -> one ? "transmits" : "transmit";
          case "rx" -> one ? "receives" : "receive";
          default -> one ? "moves" : "move";
        };
    return "On %s, %s %s %s %d-byte frames a second"
        .formatted(
            first.series(),
            one ? "one thread" : "two threads",
            verb,
            Figures.spelled(first.framesPerSecond().median()),
            first.frameBytes());
  }

  /**
   * What the others keep of the first platform's rate with the largest frames, if there are any.
   */
  String comparison() {
    BenchResult first = smallestOfFirst();
    List<BenchResult> alike = results.stream().filter(row -> sameFigure(row, first)).toList();
    int bytes = alike.stream().mapToInt(BenchResult::frameBytes).max().orElseThrow();
    List<BenchResult> largest = alike.stream().filter(row -> row.frameBytes() == bytes).toList();
    Optional<BenchResult> base =
        largest.stream().filter(row -> row.series().equals(first.series())).findFirst();
    if (base.isEmpty()) {
      return "";
    }
    String rate =
        "At %d bytes it is %s, or %s Gbit/s."
            .formatted(
                bytes,
                Figures.spelled(base.get().framesPerSecond().median()),
                Figures.digits(base.get().gigabitsPerSecond()));
    List<String> others =
        largest.stream()
            .filter(row -> !row.series().equals(first.series()))
            .map(row -> row.series() + " " + percent(ratio(row, base.get())))
            .toList();
    return others.isEmpty()
        ? rate
        : rate
            + " Of that "
            + (others.size() == 1 ? "remains" : "remain")
            + ": "
            + join(others)
            + ".";
  }

  /** Where each line begins and ends, for whoever does not see it. */
  static String describe(List<SpeedChart.Series> figure) {
    return join(
        figure.stream()
            .map(
                line -> {
                  BenchResult from = line.points().getFirst();
                  BenchResult to = line.last();
                  String rate = Figures.si(from.framesPerSecond().median());
                  return line.name()
                      + " "
                      + (from == to
                          ? rate
                          : rate + " to " + Figures.si(to.framesPerSecond().median()));
                })
            .toList());
  }

  /**
   * A figure's caption: what the others keep of the first one's rate, with the smallest frames and
   * with the largest; empty where there is nothing to compare.
   */
  static String compare(List<SpeedChart.Series> figure) {
    SpeedChart.Series base = figure.getFirst();
    BenchResult small = base.points().getFirst();
    BenchResult large = base.last();
    List<String> others =
        figure.stream()
            .skip(1)
            .filter(line -> line.points().getFirst().frameBytes() == small.frameBytes())
            .filter(line -> line.last().frameBytes() == large.frameBytes())
            .map(
                line -> {
                  String from = percent(ratio(line.points().getFirst(), small));
                  String to = percent(ratio(line.last(), large));
                  return line.name() + " " + (small == large ? to : from + " and " + to);
                })
            .toList();
    if (others.isEmpty()) {
      return "";
    }
    return "Of the rate of %s at %s bytes: %s."
        .formatted(
            base.name(),
            small == large ? large.frameBytes() : small.frameBytes() + " and " + large.frameBytes(),
            String.join(", ", others));
  }

  BenchResult mostFrames() {
    return max(row -> row.framesPerSecond().median());
  }

  BenchResult mostBits() {
    return max(BenchResult::gigabitsPerSecond);
  }

  BenchResult mostAllocated() {
    return max(BenchResult::bytesAllocatedPerFrame);
  }

  /**
   * Between the slowest and the fastest run of a case, in percent of its median: over all cases.
   */
  double typicalWidthPercent() {
    double[] widths = widths();
    Arrays.sort(widths);
    return widths[widths.length / 2];
  }

  double largestWidthPercent() {
    return Arrays.stream(widths()).max().orElseThrow();
  }

  /** Where a row was measured, in a few words. */
  static String where(BenchResult row) {
    return "%s, %s, %d thread%s, %d bytes"
        .formatted(
            row.series(),
            row.direction(),
            row.threads(),
            row.threads() == 1 ? "" : "s",
            row.frameBytes());
  }

  private double[] widths() {
    return results.stream()
        .map(BenchResult::framesPerSecond)
        .mapToDouble(rate -> 100.0 * (rate.max() - rate.min()) / Math.max(1, rate.median()))
        .toArray();
  }

  private BenchResult max(ToDoubleFunction<BenchResult> figure) {
    return results.stream().max(Comparator.comparingDouble(figure)).orElseThrow();
  }

  private BenchResult smallestOfFirst() {
    BenchResult first = results.getFirst();
    return results.stream()
        .filter(row -> sameFigure(row, first) && row.series().equals(first.series()))
        .min(Comparator.comparingInt(BenchResult::frameBytes))
        .orElseThrow();
  }

  private static boolean sameFigure(BenchResult a, BenchResult b) {
    return a.direction().equals(b.direction()) && a.threads() == b.threads();
  }

  private static double ratio(BenchResult row, BenchResult base) {
    return (double) row.framesPerSecond().median() / Math.max(1, base.framesPerSecond().median());
  }

  private static String percent(double ratio) {
    return String.format(
        Locale.ROOT, ratio < 0.0995 ? "%.1f\u00a0%%" : "%.0f\u00a0%%", 100 * ratio);
  }

  private static String join(List<String> parts) {
    int last = parts.size() - 1;
    return last < 1
        ? String.join("", parts)
        : String.join(", ", parts.subList(0, last)) + " and " + parts.get(last);
  }
}
