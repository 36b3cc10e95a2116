package dev.virtiolab.lab.ebs;

import dev.virtiolab.firmware.core.CoreEvent;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.trace.MachineObserver;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;

/**
 * Runs every order of a policy and the drivers of a machine, and judges each.
 *
 * <p>Orders that come to the same are not run twice. Two handlers that have touched nothing in
 * common, in a run, might as well have run the other way round; so of a group's permutations those
 * are alike that have every two handlers which did touch something in common in the same order.
 * What a handler touches is what it does by boot services, PciIo, the IOMMU protocol, the bus and a
 * policy's seat, and whatever is its maker's: two handlers of one driver are never swapped, nor is
 * a driver's with what takes its mappings down. A core that is broken on purpose does not keep the
 * promises on which that rests: there every order is run.
 */
public final class Explorer {
  private final Catalogue catalogue;
  private final Settings settings;
  private final Effort effort;

  /** Policies and drivers that have hung. */
  private final Set<String> hung = ConcurrentHashMap.newKeySet();

  public Explorer(Catalogue catalogue, Settings settings) {
    this(catalogue, settings, Effort.USUAL);
  }

  Explorer(Catalogue catalogue, Settings settings, Effort effort) {
    this.catalogue = catalogue;
    this.settings = settings;
    this.effort = effort;
  }

  /**
   * What to run: one cell of the matrix.
   *
   * @param drivers one for each card, sorted by name
   */
  public record Task(PlatformKind platform, String policy, List<String> drivers) {}

  /** Told of each cell as it is done, on any thread, one at a time. */
  @FunctionalInterface
  public interface Progress {
    Progress NONE = (done, all) -> {};

    void cells(int done, int all);
  }

  /**
   * Runs cells on as many threads as there are processors.
   *
   * @return one for each task, in the order of the tasks: the same for the same settings
   * @throws LabException if the thread is interrupted
   */
  public List<Cell> explore(List<Task> tasks, Progress progress) {
    return new Lanes<Cell>(effort, progress).run(tasks.stream().map(this::job).toList());
  }

  private Lanes.Job<Cell> job(Task task) {
    return lane -> new Cellwise(task, lane).explore();
  }

  /** Runs a policy and a driver in each circumstance, in edk2's order. */
  public List<Encounter> encounter(PlatformKind platform, String policy, String driver) {
    HistoryId id = idOf(new Task(platform, policy, List.of(driver)), List.of());
    if (notApplicable(id)) {
      return List.of();
    }
    List<Encounter> encounters = new ArrayList<>();
    for (Circumstance circumstance : Circumstance.values()) {
      Run.Outcome outcome = alone(unwatched(id), Loaders.of(circumstance));
      History history = outcome.history();
      Verdict verdict =
          history.cut().isPresent()
              ? Verdict.DOES_NOT_TERMINATE
              : history.fails() || !outcome.asRequired() ? Verdict.UNSAFE : Verdict.SAFE;
      List<String> seen = new ArrayList<>(outcome.seen());
      history.cut().ifPresent(seen::add);
      history.breaches().forEach(breach -> seen.add(breach.invariant() + ": " + breach.text()));
      encounters.add(
          new Encounter(
              circumstance, policy, driver, platform, verdict, invariants(List.of(history)), seen));
    }
    return encounters;
  }

  /**
   * Runs one history again, and tells each step.
   *
   * @throws LabException if there is no such history
   */
  public Timeline replay(HistoryId id) {
    return replay(id, clock -> MachineObserver.NONE);
  }

  /** Makes an observer that tells the time by the machine's clock. */
  @FunctionalInterface
  public interface Watcher {
    /**
     * @param nanos the machine's time
     */
    MachineObserver at(LongSupplier nanos);
  }

  /** The same, with somebody watching the machine. */
  public Timeline replay(HistoryId id, Watcher watcher) {
    catalogue.policy(id.policy());
    id.drivers().forEach(catalogue::driver);
    if (notApplicable(id)) {
      throw LabException.usage(
          "%s is %s on %s"
              .formatted(id.policy(), Verdict.NOT_APPLICABLE.word(), id.platform().label()));
    }
    Run run = new Run(catalogue, settings, id, true, watcher);
    Run.Outcome outcome;
    try {
      outcome = alone(run, Loader.PLAIN);
    } catch (Orders.NoSuchOrderException e) {
      throw noSuchHistory(id);
    }
    if (!outcome.history().id().equals(id)) {
      throw noSuchHistory(id);
    }
    return new Timeline(
        outcome.history(), outcome.steps(), reason(outcome.history(), outcome.steps()));
  }

  private static LabException noSuchHistory(HistoryId id) {
    return LabException.usage("there is no order like that in " + id);
  }

  private static String reason(History history, List<Step> steps) {
    if (history.cut().isPresent()) {
      return history.cut().get();
    }
    return history.breaches().stream()
        .min(Comparator.comparingInt(Breach::step))
        .map(first -> first.text() + rest(first, steps))
        .orElse("");
  }

  /** When the device that strayed became quiet, if a device strayed. */
  private static String rest(Breach first, List<Step> steps) {
    Step at = steps.get(first.step() - 1);
    if (at.kind() != Step.Kind.DMA) {
      return "";
    }
    return steps.stream()
        .filter(later -> later.number() > at.number() && later.kind() == Step.Kind.QUIET)
        .filter(later -> later.actor().equals(at.actor()))
        .map(later -> "; it is quiet only from step " + later.number() + " on")
        .findFirst()
        .orElse("; it is never stopped");
  }

  private HistoryId idOf(Task task, List<Integer> choices) {
    return new HistoryId(
        task.platform, task.policy, task.drivers, choices, settings.slots(), settings.seed());
  }

  private boolean notApplicable(HistoryId id) {
    return id.platform() != PlatformKind.VTD && catalogue.policy(id.policy()).needsRemapping();
  }

  private Run unwatched(HistoryId id) {
    return new Run(catalogue, settings, id, false, nanos -> MachineObserver.NONE);
  }

  private Run.Outcome alone(Run run, Loader loader) {
    try (Lanes.Lane lane = new Lanes.Lane(effort.longestRun())) {
      return lane.within(() -> run.run(loader), run::hung);
    }
  }

  private static List<Invariant> invariants(List<History> histories) {
    TreeSet<Invariant> broken = new TreeSet<>();
    histories.forEach(
        history -> history.breaches().forEach(breach -> broken.add(breach.invariant())));
    return List.copyOf(broken);
  }

  /** One cell, order by order. */
  private final class Cellwise {
    private final Task task;
    private final Lanes.Lane lane;
    private final List<History> histories = new ArrayList<>();

    /**
     * An order that was not run, like one that was, and is to fail sooner; null if there is none.
     */
    private List<Integer> sooner;

    private int soonerFailsAt = Integer.MAX_VALUE;

    Cellwise(Task task, Lanes.Lane lane) {
      this.task = task;
      this.lane = lane;
    }

    Cell explore() {
      if (notApplicable(idOf(task, List.of()))) {
        return new Cell(
            task.policy,
            task.drivers,
            task.platform,
            Verdict.NOT_APPLICABLE,
            List.of(),
            0,
            List.of());
      }
      Run.Outcome first = run(List.of());
      long orders = settings.edk2Order() ? 1 : orders(first, 0);
      runTheSoonest();
      histories.sort(Comparator.comparing(History::id, HistoryId.BY_CHOICES));
      return new Cell(
          task.policy,
          task.drivers,
          task.platform,
          verdict(),
          invariants(histories),
          orders,
          List.copyOf(histories));
    }

    private Run.Outcome run(List<Integer> choices) {
      Run run = unwatched(idOf(task, choices));
      Optional<String> culprit = hung.stream().filter(this::takesPart).sorted().findFirst();
      Run.Outcome outcome =
          culprit.isPresent()
              ? run.notBegun(culprit.get())
              : lane.within(() -> run.run(Loader.PLAIN), () -> givenUp(run));
      histories.add(outcome.history());
      if (!settings.edk2Order() && commutes(outcome)) {
        outcome.history().breaches().forEach(breach -> seekSooner(outcome, breach.step()));
      }
      return outcome;
    }

    private boolean takesPart(String name) {
      return task.policy.equals(name) || task.drivers.contains(name);
    }

    /** A run that has hung keeps its thread for good: whoever did that is not given another. */
    private Run.Outcome givenUp(Run run) {
      String culprit = run.actor().replaceFirst("@.*", "");
      if (takesPart(culprit)) {
        hung.add(culprit);
      }
      return run.hung();
    }

    /** Whether what an outcome tells of its handlers says what other orders come to. */
    private boolean commutes(Run.Outcome outcome) {
      // Whoever ended a run kept others from running: they cannot be told to be alike.
      return !effort.everyOrder()
          && settings.defects().isEmpty()
          && outcome.history().cut().isEmpty();
    }

    /**
     * Of the orders that are like an outcome's, looks for the one in which what broke at {@code
     * step} breaks soonest: with all those put behind the handler that broke it on which neither it
     * nor another before it depends.
     */
    private void seekSooner(Run.Outcome outcome, int step) {
      for (int at = 0; at < outcome.points().size(); at++) {
        Orders.Point point = outcome.points().get(at);
        List<CoreEvent> ran = point.permutation(point.choice());
        for (int culprit = 0; culprit < ran.size(); culprit++) {
          Footprints.Span span = outcome.footprints().span(ran.get(culprit));
          if (span != null && span.has(step)) {
            seekSooner(outcome, at, ran, culprit, step);
          }
        }
      }
    }

    /** The same, for the handler that ran as number {@code culprit} after choice {@code at}. */
    private void seekSooner(
        Run.Outcome outcome, int at, List<CoreEvent> ran, int culprit, int step) {
      Footprints footprints = outcome.footprints();
      List<CoreEvent> order = new ArrayList<>();
      List<CoreEvent> behind = new ArrayList<>();
      order.add(ran.get(culprit));
      int saved = 0;
      for (CoreEvent before : ran.subList(0, culprit).reversed()) {
        if (order.stream().anyMatch(needed -> footprints.dependent(before, needed))) {
          order.addFirst(before);
        } else {
          behind.addFirst(before);
          saved += footprints.span(before) == null ? 0 : footprints.span(before).steps();
        }
      }
      if (saved > 0 && step - saved < soonerFailsAt) {
        order.addAll(behind);
        order.addAll(ran.subList(culprit + 1, ran.size()));
        soonerFailsAt = step - saved;
        sooner = new ArrayList<>(outcome.points().stream().map(Orders.Point::choice).toList());
        sooner.set(at, outcome.points().get(at).choiceOf(order));
      }
    }

    private void runTheSoonest() {
      int soonest =
          histories.stream().mapToInt(History::stepsToFailure).min().orElse(Integer.MAX_VALUE);
      if (soonerFailsAt < soonest) {
        run(sooner);
      }
    }

    /**
     * Runs what differs from {@code outcome} in choice number {@code at} or a later one.
     *
     * @return how many orders there are that are as {@code outcome} before that choice
     */
    private long orders(Run.Outcome outcome, int at) {
      // What does not end may ask for choices without end; the cell is judged by its being cut.
      if (at >= outcome.points().size() || outcome.history().cut().isPresent()) {
        return 1;
      }
      Orders.Point point = outcome.points().get(at);
      long[] counts = new long[point.choices()];
      cover(counts, outcome, at, orders(outcome, at + 1));
      for (int choice = 0; choice < counts.length; choice++) {
        if (counts[choice] == 0) {
          List<Integer> choices = new ArrayList<>();
          outcome.points().subList(0, at).forEach(before -> choices.add(before.choice()));
          choices.add(choice);
          Run.Outcome other = run(choices);
          cover(counts, other, at, orders(other, at + 1));
        }
      }
      return Arrays.stream(counts).sum();
    }

    /** Enters the count of an outcome for every permutation that is like the one that it ran. */
    private void cover(long[] counts, Run.Outcome outcome, int at, long count) {
      if (at >= outcome.points().size()) {
        // Cut before it came to the choice: the others are cut there, too.
        Arrays.setAll(counts, choice -> counts[choice] == 0 ? 1 : counts[choice]);
        return;
      }
      Orders.Point point = outcome.points().get(at);
      List<CoreEvent> ran = point.permutation(point.choice());
      boolean commutes = commutes(outcome);
      for (int choice = 0; choice < counts.length; choice++) {
        if (choice == point.choice()
            || counts[choice] == 0
                && commutes
                && alike(ran, point.permutation(choice), outcome.footprints())) {
          counts[choice] = count;
        }
      }
    }

    private static boolean alike(
        List<CoreEvent> ran, List<CoreEvent> other, Footprints footprints) {
      for (int i = 0; i < ran.size(); i++) {
        for (int j = i + 1; j < ran.size(); j++) {
          if (footprints.dependent(ran.get(i), ran.get(j))
              && other.indexOf(ran.get(i)) > other.indexOf(ran.get(j))) {
            return false;
          }
        }
      }
      return true;
    }

    private Verdict verdict() {
      if (histories.stream().anyMatch(history -> history.cut().isPresent())) {
        return Verdict.DOES_NOT_TERMINATE;
      }
      long failing = histories.stream().filter(History::fails).count();
      if (failing == 0) {
        return Verdict.SAFE;
      }
      return failing == histories.size() ? Verdict.UNSAFE : Verdict.ORDER_DEPENDENT;
    }
  }
}
