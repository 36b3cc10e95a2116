package dev.virtiolab.lab.bench.html;

import java.util.ArrayList;
import java.util.List;

/**
 * A logarithmic scale: equal ratios are equal distances.
 *
 * @param low value at {@code from}, positive
 * @param high value at {@code to}
 * @param from coordinate in the drawing
 */
record LogAxis(double low, double high, double from, double to) {
  private static final int[] STEPS = {1, 2, 5};

  /** From the greatest 1, 2 or 5 times a power of ten that is at most {@code least}, upwards. */
  static LogAxis around(double least, double most, double from, double to) {
    double low = Math.pow(10, Math.floor(Math.log10(least)));
    for (int step : STEPS) {
      double candidate = step * Math.pow(10, Math.floor(Math.log10(least)));
      low = candidate <= least ? candidate : low;
    }
    double high = Math.pow(10, Math.ceil(Math.log10(most)));
    for (int i = STEPS.length - 1; i > 0; i--) {
      double candidate = STEPS[i] * Math.pow(10, Math.ceil(Math.log10(most)) - 1);
      high = candidate >= most ? candidate : high;
    }
    return new LogAxis(low, high > low ? high : low * 10, from, to);
  }

  double at(double value) {
    return from + (to - from) * Math.log(value / low) / Math.log(high / low);
  }

  /** Every 1, 2 and 5 times a power of ten within the axis. */
  List<Double> ticks() {
    List<Double> ticks = new ArrayList<>();
    double tolerance = 1 + 1e-9;
    for (double decade = Math.pow(10, Math.floor(Math.log10(low)));
        decade <= high * tolerance;
        decade *= 10) {
      for (int step : STEPS) {
        double tick = step * decade;
        if (tick * tolerance >= low && tick <= high * tolerance) {
          ticks.add(tick);
        }
      }
    }
    return ticks;
  }

  /** Whether a tick is a power of ten. */
  static boolean isDecade(double tick) {
    double exponent = Math.log10(tick);
    return Math.abs(exponent - Math.rint(exponent)) < 1e-9;
  }
}
