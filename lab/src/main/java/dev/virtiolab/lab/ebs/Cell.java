package dev.virtiolab.lab.ebs;

import dev.virtiolab.iommu.PlatformKind;
import java.util.List;
import java.util.Optional;

/**
 * What came of one policy and the drivers of one machine, over every order.
 *
 * @param drivers one for each card, sorted by name
 * @param orders the orders that UEFI allows, those included that are like one that was run
 * @param histories those that were run, in order of their choices
 */
public record Cell(
    String policy,
    List<String> drivers,
    PlatformKind platform,
    Verdict verdict,
    List<Invariant> invariants,
    long orders,
    List<History> histories) {

  /** The drivers, as on the command line: {@code a+b}. */
  public String driver() {
    return String.join("+", drivers);
  }

  /** The history that fails soonest; empty where none does. */
  public Optional<History> shortestFailure() {
    return histories.stream().filter(History::fails).min(History.SOONEST_FIRST);
  }
}
