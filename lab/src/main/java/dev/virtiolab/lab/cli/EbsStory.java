package dev.virtiolab.lab.cli;

import dev.virtiolab.firmware.uefi.Tpl;
import dev.virtiolab.lab.ebs.Breach;
import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.Encounter;
import dev.virtiolab.lab.ebs.History;
import dev.virtiolab.lab.ebs.HistoryId;
import dev.virtiolab.lab.ebs.Invariant;
import dev.virtiolab.lab.ebs.Settings;
import dev.virtiolab.lab.ebs.Step;
import dev.virtiolab.lab.ebs.Timeline;
import dev.virtiolab.lab.ebs.Verdict;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What happened, in words: a cell with its shortest failure, a history, an encounter. */
final class EbsStory {
  private static final String INDENT = "  ";

  /** Of a run that was cut and is longer, the beginning, the end and what breaks are told. */
  static final int MOST_STEPS = 120;

  private static final int LAST_STEPS = 30;

  /** In the line that says whose handlers ran. */
  private static final int MOST_HANDLERS = 12;

  private EbsStory() {}

  /**
   * A cell: the verdict, and the history that says why.
   *
   * @param replay runs a history again
   * @param command that does so for the user
   */
  static List<String> of(
      Cell cell, Settings settings, Function<HistoryId, Timeline> replay, String command) {
    List<String> lines = new ArrayList<>();
    lines.add(
        "%s with %s on %s: %s"
            .formatted(
                cell.policy(), cell.driver(), cell.platform().label(), cell.verdict().word()));
    lines.add(INDENT + cell.verdict().meaning(settings));
    if (cell.histories().isEmpty()) {
      return lines;
    }
    cell.invariants()
        .forEach(one -> lines.addAll(Text.wrapped(INDENT + one + "  ", one.meaning())));
    lines.add(INDENT + (settings.edk2Order() ? "no other order was run" : counts(cell)));
    Optional<History> failure = cell.shortestFailure();
    Optional<History> success = cell.histories().stream().filter(one -> !one.fails()).findFirst();
    failure.ifPresent(
        history -> {
          lines.add("");
          lines.add("The shortest history that fails is " + named(history));
          lines.addAll(told(replay.apply(history.id()), EbsStory::folded));
        });
    success.ifPresent(
        history -> {
          lines.add("");
          lines.add("Safe is " + named(history));
          lines.addAll(handlers(replay.apply(history.id())));
        });
    lines.add("");
    lines.add(
        "Run again: %s --replay %s"
            .formatted(command, failure.or(() -> success).map(History::id).orElseThrow()));
    return lines;
  }

  private static String named(History history) {
    boolean first = history.id().choices().stream().allMatch(choice -> choice == 0);
    return history.id() + (first ? ", which is edk2's order" : "");
  }

  private static String counts(Cell cell) {
    long failing = cell.histories().stream().filter(History::fails).count();
    int run = cell.histories().size();
    if (cell.verdict() == Verdict.DOES_NOT_TERMINATE) {
      // Whoever ends a run keeps it from the choices behind: what others come to is not known.
      long cut = cell.histories().stream().filter(one -> one.cut().isPresent()).count();
      return run == 1
          ? "the first order was cut: others were not tried"
          : "%d orders were run and %d of them cut: not every other was tried".formatted(run, cut);
    }
    return "%s by UEFI, %d run, of which %s"
        .formatted(
            cell.orders() == 1 ? "1 order is allowed" : cell.orders() + " orders are allowed",
            run,
            failing == 0 ? "none fails" : failing == 1 ? "1 fails" : failing + " fail");
  }

  /** A history, every step of it; of a long one that was cut both ends. */
  static List<String> of(Timeline timeline) {
    return told(timeline, UnaryOperator.identity());
  }

  private static List<String> told(Timeline timeline, UnaryOperator<List<Step>> chosen) {
    List<String> lines = new ArrayList<>(handlers(timeline));
    if (!timeline.history().breaches().isEmpty()) {
      lines.add(INDENT + "! marks the step at which an invariant is first seen to break");
    }
    lines.add("");
    lines.addAll(steps(timeline.history(), chosen.apply(timeline.steps())));
    lines.add("");
    lines.addAll(handOff(timeline));
    // Why it was cut is said by then.
    if (!timeline.reason().isEmpty()
        && !timeline.history().cut().equals(Optional.of(timeline.reason()))) {
      lines.add("");
      lines.addAll(Text.wrapped("Why: ", timeline.reason()));
    }
    return lines;
  }

  /** Whose handlers ran, one after the other. */
  private static List<String> handlers(Timeline timeline) {
    List<Step> entries =
        timeline.steps().stream().filter(step -> step.kind() == Step.Kind.ENTER).toList();
    String first =
        entries.stream()
            .limit(MOST_HANDLERS)
            .map(step -> "%s (%s)".formatted(step.actor(), level(step.tpl())))
            .collect(Collectors.joining(", "));
    int more = entries.size() - MOST_HANDLERS;
    return Text.wrapped(
        INDENT + "handlers: ",
        entries.isEmpty()
            ? "none"
            : more > 0 ? String.format(Locale.ROOT, "%s, and %,d more", first, more) : first);
  }

  /** Register writes that follow one another, as an IOMMU driver's, as one step. */
  private static List<Step> folded(List<Step> steps) {
    List<Step> folded = new ArrayList<>();
    for (int from = 0; from < steps.size(); ) {
      Step first = steps.get(from);
      int to = from + 1;
      while (to < steps.size() && isMore(first, steps.get(to))) {
        to++;
      }
      int more = to - from - 1;
      folded.add(
          more == 0
              ? first
              : new Step(
                  first.number(),
                  first.tpl(),
                  first.actor(),
                  first.kind(),
                  "%s, and %d more up to step %d"
                      .formatted(first.text(), more, steps.get(to - 1).number()),
                  first.live(),
                  first.openMappings(),
                  first.breaks()));
      from = to;
    }
    return folded;
  }

  private static boolean isMore(Step first, Step next) {
    return first.kind() == Step.Kind.REGISTER
        && next.kind() == Step.Kind.REGISTER
        && next.actor().equals(first.actor())
        && next.breaks().isEmpty();
  }

  private static List<String> steps(History history, List<Step> steps) {
    int actor = Text.longest(steps.stream().map(Step::actor).toList());
    int number = Text.longest(steps.stream().map(step -> "" + step.number()).toList());
    String row = "%-2s%" + number + "s  %-11s  %-" + actor + "s  ";
    Map<Integer, List<Breach>> breaches =
        history.breaches().stream().collect(Collectors.groupingBy(Breach::step));
    List<String> lines = new ArrayList<>();
    int leftOutFrom = 0;
    for (int i = 0; i < steps.size(); i++) {
      Step step = steps.get(i);
      boolean told =
          history.cut().isEmpty()
              || steps.size() <= MOST_STEPS
              || i < MOST_STEPS - LAST_STEPS
              || i >= steps.size() - LAST_STEPS
              || breaches.containsKey(step.number());
      if (!told) {
        leftOutFrom = leftOutFrom == 0 ? step.number() : leftOutFrom;
        continue;
      }
      if (leftOutFrom > 0) {
        lines.add(leftOut(step.number() - leftOutFrom));
        leftOutFrom = 0;
      }
      List<Breach> here = breaches.getOrDefault(step.number(), List.of());
      String lead =
          row.formatted(here.isEmpty() ? "" : "!", step.number(), level(step.tpl()), step.actor());
      lines.addAll(Text.wrapped(lead, step.text()));
      for (Breach breach : here) {
        String mark = " ".repeat(2 + number + 2) + breach.invariant() + " breaks: ";
        lines.addAll(Text.wrapped(mark, breach.text()));
      }
    }
    return lines;
  }

  private static String leftOut(int count) {
    return count == 1
        ? INDENT + "... 1 step is left out here; --replay with --json prints it"
        : String.format(
            Locale.ROOT,
            "%s... %,d steps are left out here; --replay with --json prints them all",
            INDENT,
            count);
  }

  /** What the operating system would have found. */
  private static List<String> handOff(Timeline timeline) {
    History history = timeline.history();
    if (history.cut().isPresent()) {
      return Text.wrapped("The OS never gets the machine: ", history.cut().get());
    }
    List<String> lines = new ArrayList<>();
    Step last = timeline.steps().getLast();
    lines.add(
        "The OS finds %s, and %s"
            .formatted(
                switch (last.openMappings()) {
                  case 0 -> "no mapping open";
                  case 1 -> "1 mapping open";
                  default -> last.openMappings() + " mappings open";
                },
                last.live().isEmpty()
                    ? "no device live"
                    : String.join(", ", last.live()) + " live"));
    history.breaches().stream()
        .filter(breach -> isOfHandOff(breach.invariant()))
        .forEach(
            breach ->
                lines.addAll(Text.wrapped(INDENT + breach.invariant() + "  ", breach.text())));
    return lines;
  }

  /** Whether an operating system finds what is wrong; what else breaks is past by then. */
  private static boolean isOfHandOff(Invariant invariant) {
    return switch (invariant) {
      case I2, I3, I4, I5, I6 -> true;
      case I1, I7, I8, I9 -> false;
    };
  }

  /** ExitBootServices called otherwise; what platforms have in common is said once. */
  static List<String> ofEncounters(List<Encounter> encounters) {
    List<String> lines = new ArrayList<>();
    encounters.stream()
        .collect(
            Collectors.groupingBy(
                one -> "%s with %s".formatted(one.policy(), one.driver()),
                LinkedHashMap::new,
                Collectors.toList()))
        .forEach(
            (pair, some) -> {
              lines.add("ExitBootServices called otherwise, %s:".formatted(pair));
              some.stream()
                  .sorted(Comparator.comparing(Encounter::circumstance))
                  .collect(
                      Collectors.groupingBy(
                          EbsStory::withoutPlatform,
                          LinkedHashMap::new,
                          Collectors.mapping(one -> one.platform().label(), Collectors.toList())))
                  .forEach((one, platforms) -> lines.addAll(told(one, platforms)));
            });
    return lines;
  }

  private static List<String> told(Encounter encounter, List<String> platforms) {
    List<String> lines = new ArrayList<>();
    lines.add(
        "%s%s, on %s: %s"
            .formatted(
                INDENT,
                encounter.circumstance().meaning(),
                String.join(" and ", platforms),
                Stream.concat(
                        Stream.of(encounter.verdict().word()),
                        encounter.invariants().stream().map(Invariant::name))
                    .collect(Collectors.joining(" "))));
    encounter.seen().forEach(line -> lines.addAll(Text.wrapped(INDENT.repeat(2), line)));
    return lines;
  }

  private static Encounter withoutPlatform(Encounter one) {
    return new Encounter(
        one.circumstance(),
        one.policy(),
        one.driver(),
        null,
        one.verdict(),
        one.invariants(),
        one.seen());
  }

  /** A task priority level by its name. */
  static String level(int tpl) {
    return switch (tpl) {
      case Tpl.APPLICATION -> "APPLICATION";
      case Tpl.CALLBACK -> "CALLBACK";
      case Tpl.NOTIFY -> "NOTIFY";
      case Tpl.HIGH_LEVEL -> "HIGH_LEVEL";
      default -> "level " + tpl;
    };
  }
}
