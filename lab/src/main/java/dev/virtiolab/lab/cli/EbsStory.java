package dev.virtiolab.lab.cli;

import dev.virtiolab.firmware.uefi.Tpl;
import dev.virtiolab.lab.ebs.Breach;
import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.Encounter;
import dev.virtiolab.lab.ebs.History;
import dev.virtiolab.lab.ebs.HistoryId;
import dev.virtiolab.lab.ebs.Invariant;
import dev.virtiolab.lab.ebs.Step;
import dev.virtiolab.lab.ebs.Timeline;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;

/** What happened, in words: a cell with its shortest failure, a history, an encounter. */
final class EbsStory {
  private static final String INDENT = "  ";

  private EbsStory() {}

  /**
   * A cell: the verdict, and the history that says why.
   *
   * @param replay runs a history again
   * @param command that does so for the user
   */
  static List<String> of(Cell cell, Function<HistoryId, Timeline> replay, String command) {
    List<String> lines = new ArrayList<>();
    lines.add(
        "%s with %s on %s: %s"
            .formatted(
                cell.policy(), cell.driver(), cell.platform().label(), cell.verdict().word()));
    lines.add(INDENT + cell.verdict().meaning());
    if (cell.histories().isEmpty()) {
      return lines;
    }
    cell.invariants()
        .forEach(one -> lines.addAll(Text.wrapped(INDENT + one + "  ", one.meaning())));
    lines.add(INDENT + counts(cell));
    Optional<History> failure = cell.shortestFailure();
    Optional<History> success = cell.histories().stream().filter(one -> !one.fails()).findFirst();
    failure.ifPresent(
        history -> {
          lines.add("");
          lines.add("The shortest history that fails is " + named(history));
          lines.addAll(of(replay.apply(history.id())));
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
    return "%s by UEFI, %d run, of which %s"
        .formatted(
            cell.orders() == 1 ? "1 order is allowed" : cell.orders() + " orders are allowed",
            run,
            failing == 0 ? "none fails" : failing == 1 ? "1 fails" : failing + " fail");
  }

  /** A history, step by step. */
  static List<String> of(Timeline timeline) {
    List<String> lines = new ArrayList<>(handlers(timeline));
    lines.add("");
    lines.addAll(steps(timeline));
    lines.add("");
    lines.addAll(handOff(timeline));
    if (!timeline.reason().isEmpty()) {
      lines.add("");
      lines.addAll(Text.wrapped("Why: ", timeline.reason()));
    }
    return lines;
  }

  /** Whose handlers ran, one after the other. */
  private static List<String> handlers(Timeline timeline) {
    String all =
        timeline.steps().stream()
            .filter(step -> step.kind() == Step.Kind.ENTER)
            .map(step -> "%s (%s)".formatted(step.actor(), level(step.tpl())))
            .collect(Collectors.joining(", "));
    return Text.wrapped(INDENT + "handlers: ", all.isEmpty() ? "none" : all);
  }

  private static List<String> steps(Timeline timeline) {
    int actor = Text.longest(timeline.steps().stream().map(Step::actor).toList());
    int number = Text.longest(timeline.steps().stream().map(step -> "" + step.number()).toList());
    String row = "%-2s%" + number + "s  %-11s  %-" + actor + "s  ";
    Map<Integer, List<Breach>> breaches =
        timeline.history().breaches().stream().collect(Collectors.groupingBy(Breach::step));
    List<String> lines = new ArrayList<>();
    for (Step step : timeline.steps()) {
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
    Map<Encounter, List<String>> platforms = new LinkedHashMap<>();
    for (Encounter one : encounters) {
      platforms
          .computeIfAbsent(withoutPlatform(one), same -> new ArrayList<>())
          .add(one.platform().label());
    }
    List<String> lines = new ArrayList<>();
    platforms.forEach(
        (one, where) -> {
          lines.addAll(
              Text.wrapped(
                  "",
                  "%s with %s on %s, %s: %s%s"
                      .formatted(
                          one.policy(),
                          one.driver(),
                          String.join(" and ", where),
                          one.circumstance().meaning(),
                          one.verdict().word(),
                          one.invariants().stream()
                              .map(invariant -> ", " + invariant)
                              .collect(Collectors.joining()))));
          one.seen().forEach(line -> lines.addAll(Text.wrapped(INDENT, line)));
        });
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

  /** As in JSON: {@code hand-off}. */
  static String word(Step.Kind kind) {
    return kind.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
