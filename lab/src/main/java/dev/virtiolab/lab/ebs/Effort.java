package dev.virtiolab.lab.ebs;

import java.time.Duration;

/**
 * What an exploration may cost. What it finds does not depend on it, but for a run that hangs.
 *
 * @param everyOrder whether orders that come to the same are run, too
 * @param lanes how many cells are explored at once
 * @param longestRun after which a run that has not come back is given up; it takes some ten
 *     milliseconds, and one that makes calls without end is cut by their number
 */
record Effort(boolean everyOrder, int lanes, Duration longestRun) {
  static final Effort USUAL =
      new Effort(false, Runtime.getRuntime().availableProcessors(), Duration.ofSeconds(10));
}
