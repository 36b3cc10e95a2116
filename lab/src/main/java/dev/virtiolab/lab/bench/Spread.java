package dev.virtiolab.lab.bench;

import java.util.Arrays;

/**
 * What several runs of the same thing came to.
 *
 * @param median the middle one, or the mean of the middle two
 */
public record Spread(double median, double min, double max) {

  /**
   * @param values at least one, in any order
   * @throws IllegalArgumentException if there is none, or one that is no number
   */
  public static Spread of(double... values) {
    if (values.length == 0) {
      throw new IllegalArgumentException("nothing was measured");
    }
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    double last = sorted[sorted.length - 1];
    if (Double.isNaN(last)) { // sorts behind all numbers
      throw new IllegalArgumentException("not all are numbers: " + Arrays.toString(values));
    }
    int upper = sorted.length / 2;
    double median =
        sorted.length % 2 == 1 ? sorted[upper] : (sorted[upper - 1] + sorted[upper]) / 2;
    return new Spread(median, sorted[0], last);
  }

  /** How far apart the runs are, as a part of the median; 0 where the median is 0. */
  public double relativeWidth() {
    return median == 0 ? 0 : (max - min) / median;
  }
}
