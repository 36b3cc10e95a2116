package dev.virtiolab.integration.ebs;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Runs every order of a cell. */
final class Model {
  /**
   * What came of a cell.
   *
   * @param invariants broken in any order, ascending, as I1
   * @param orders how many there are: permutations of the members of each group at each level
   * @param failing orders that break an invariant
   */
  record Cell(Verdict verdict, List<String> invariants, int orders, int failing) {
    static final Cell NOT_APPLICABLE = new Cell(Verdict.NOT_APPLICABLE, List.of(), 0, 0);

    /** Verdict and invariants as in the expected matrix. */
    String text() {
      return verdict.text() + " " + (invariants.isEmpty() ? "-" : String.join(",", invariants));
    }
  }

  private Model() {}

  /**
   * @param platform pc, vtd, noncoherent or sev
   * @param drivers one, or several, each with a device of its own
   */
  static Cell cell(String platform, String policy, List<String> drivers) {
    if (policy.startsWith("vtd-") && !platform.equals("vtd")) {
      return Cell.NOT_APPLICABLE;
    }
    Board board = Board.named(platform);
    List<Set<Invariant>> outcomes = new ArrayList<>();
    for (Map<Place, List<Integer>> order : orders(new Cast(board, policy, drivers))) {
      outcomes.add(run(new Cast(board, policy, drivers), order));
    }
    Set<Invariant> union = EnumSet.noneOf(Invariant.class);
    outcomes.forEach(union::addAll);
    int failing = (int) outcomes.stream().filter(broken -> !broken.isEmpty()).count();
    Verdict verdict =
        failing == 0
            ? Verdict.SAFE
            : failing == outcomes.size() ? Verdict.UNSAFE : Verdict.ORDER_DEPENDENT;
    return new Cell(
        verdict, union.stream().map(Invariant::name).toList(), outcomes.size(), failing);
  }

  /** ExitBootServices, called at TPL_APPLICATION with the right key. */
  private static Set<Invariant> run(Cast cast, Map<Place, List<Integer>> order) {
    cast.world.gap();
    cast.core.signalGroup(members(cast, Group.BEFORE_EXIT_BOOT_SERVICES, order));
    cast.world.acceptMemoryMap();
    cast.core.signalGroup(members(cast, Group.EXIT_BOOT_SERVICES, order));
    cast.hook.run();
    return cast.world.handOff();
  }

  /** A group's members at a level, which may run in any order. */
  private record Place(Group group, Level level) {}

  private static List<Event> members(Cast cast, Group group, Map<Place, List<Integer>> order) {
    List<Event> ordered = new ArrayList<>();
    cast.members
        .get(group)
        .forEach(
            (level, events) ->
                order.get(new Place(group, level)).forEach(i -> ordered.add(events.get(i))));
    return ordered;
  }

  /** Every combination of a permutation for each place. */
  private static List<Map<Place, List<Integer>>> orders(Cast cast) {
    List<Map<Place, List<Integer>>> orders = new ArrayList<>();
    orders.add(Map.of());
    for (Group group : Group.values()) {
      for (Map.Entry<Level, List<Event>> entry : cast.members.get(group).entrySet()) {
        Place place = new Place(group, entry.getKey());
        List<Map<Place, List<Integer>>> longer = new ArrayList<>();
        for (Map<Place, List<Integer>> shorter : orders) {
          for (List<Integer> permutation : permutations(entry.getValue().size())) {
            Map<Place, List<Integer>> order = new HashMap<>(shorter);
            order.put(place, permutation);
            longer.add(order);
          }
        }
        orders = longer;
      }
    }
    return orders;
  }

  /** All orders of 0 to n-1. */
  private static List<List<Integer>> permutations(int n) {
    if (n == 0) {
      return List.of(List.of());
    }
    List<List<Integer>> all = new ArrayList<>();
    for (List<Integer> shorter : permutations(n - 1)) {
      for (int at = 0; at < n; at++) {
        List<Integer> permutation = new ArrayList<>(shorter);
        permutation.add(at, n - 1);
        all.add(permutation);
      }
    }
    return all;
  }
}
