package dev.virtiolab.lab.ebs;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * One order, run from boot to hand-off.
 *
 * @param steps how many there were from the call of ExitBootServices on
 * @param breaches the first of each invariant, in the order in which they were seen
 * @param cut why the run was ended before the hand-off; empty: it was not
 */
public record History(HistoryId id, int steps, List<Breach> breaches, Optional<String> cut) {

  /** The history that goes wrong soonest first; of equals, that of the lower order. */
  public static final Comparator<History> SOONEST_FIRST =
      Comparator.comparingInt(History::stepsToFailure)
          .thenComparing(History::id, HistoryId.BY_CHOICES);

  /** Whether something is wrong with it. */
  public boolean fails() {
    return cut.isPresent() || !breaches.isEmpty();
  }

  /** The step at which it first goes wrong; {@link Integer#MAX_VALUE} if it does not. */
  public int stepsToFailure() {
    int first = cut.isPresent() ? steps : Integer.MAX_VALUE;
    return breaches.stream().mapToInt(Breach::step).reduce(first, Math::min);
  }
}
