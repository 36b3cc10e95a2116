package dev.virtiolab.lab.cli;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.ebs.Catalogue;
import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.HistoryId;
import dev.virtiolab.lab.ebs.Report;
import dev.virtiolab.lab.ebs.Timeline;
import dev.virtiolab.lab.ebs.Verdict;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/** All that {@code vlab ebs} prints of an exploration, for a terminal of 100 columns. */
final class EbsText {
  private EbsText() {}

  /** The matrices, what is in them, and how to see more. */
  static List<String> overview(
      Report report, boolean summarized, Catalogue catalogue, double seconds, String command) {
    List<Cell> cells = report.cells();
    List<Cell> shown =
        cells.stream().filter(cell -> !summarized || cell.drivers().size() == 1).toList();
    List<Cell> counted = cells.stream().filter(cell -> !shown.contains(cell)).toList();
    List<String> lines = new ArrayList<>();
    lines.add("At ExitBootServices: who takes DMA mappings down (across), what drivers do (down)");
    lines.add("");
    for (PlatformKind platform : platforms(shown)) {
      lines.addAll(EbsMatrix.table(platform, on(platform, shown)));
      lines.add("");
    }
    lines.addAll(EbsMatrix.legend(cells, report.settings()));
    lines.add("");
    for (PlatformKind platform : platforms(counted)) {
      several(platform, on(platform, counted), on(platform, shown), lines);
    }
    names(
        "Policies",
        cells.stream().map(Cell::policy).distinct().toList(),
        name -> catalogue.policy(name).title(),
        lines);
    names(
        "Drivers",
        cells.stream().flatMap(cell -> cell.drivers().stream()).distinct().toList(),
        name -> catalogue.driver(name).title(),
        lines);
    if (!report.encounters().isEmpty()) {
      lines.addAll(EbsStory.ofEncounters(report.encounters()));
      lines.add("");
    }
    lines.addAll(closing(report, seconds, command));
    return lines;
  }

  /** One cell on each platform. */
  static List<String> stories(Report report, Function<HistoryId, Timeline> replay, String command) {
    List<String> lines = new ArrayList<>();
    for (Cell cell : report.cells()) {
      if (!lines.isEmpty()) {
        lines.add("");
      }
      lines.addAll(EbsStory.of(cell, report.settings(), replay, command));
    }
    return lines;
  }

  private static List<PlatformKind> platforms(List<Cell> cells) {
    return cells.stream().map(Cell::platform).distinct().toList();
  }

  private static List<Cell> on(PlatformKind platform, List<Cell> cells) {
    return cells.stream().filter(cell -> cell.platform() == platform).toList();
  }

  /** Machines with two cards, then those with three. */
  private static void several(
      PlatformKind platform, List<Cell> cells, List<Cell> alone, List<String> lines) {
    boolean onePolicy = cells.stream().map(Cell::policy).distinct().count() == 1;
    TreeMap<Integer, List<Cell>> byCards =
        cells.stream()
            .collect(
                Collectors.groupingBy(
                    cell -> cell.drivers().size(), TreeMap::new, Collectors.toList()));
    byCards.forEach(
        (cards, some) -> {
          lines.add(
              "%s drivers on one machine, %s:"
                  .formatted(cards == 2 ? "Two" : "Three", platform.label()));
          lines.addAll(
              cards == 2 && onePolicy ? EbsMatrix.pairs(platform, some) : EbsMatrix.summary(some));
          lines.addAll(EbsMatrix.worse(some, alone));
          lines.add("");
        });
  }

  private static void names(
      String title, List<String> names, UnaryOperator<String> meaning, List<String> lines) {
    lines.add(title + ":");
    int first = Text.longest(names);
    names.forEach(
        name ->
            lines.addAll(
                Text.wrapped("  " + Text.padded(name, first) + "  ", meaning.apply(name))));
    lines.add("");
  }

  private static List<String> closing(Report report, double seconds, String command) {
    List<Cell> cells = report.cells();
    List<Cell> whole =
        cells.stream().filter(cell -> cell.verdict() != Verdict.DOES_NOT_TERMINATE).toList();
    int cut = cells.size() - whole.size();
    String orders =
        report.settings().edk2Order()
            ? ", in edk2's order only"
            : whole.isEmpty() ? "" : ", " + orders(whole);
    List<String> lines = new ArrayList<>();
    lines.add(
        String.format(
            Locale.ROOT,
            "%,d %s%s; %.1f s",
            cells.size(),
            cells.size() == 1 ? "cell" : "cells",
            orders,
            seconds));
    if (cut > 0) {
      lines.add(
          String.format(
              Locale.ROOT,
              "In %,d of them a run was cut%s",
              cut,
              report.settings().edk2Order() ? "" : ": not every order was tried there"));
    }
    lines.add("To see one step by step: " + command + " --policy P --driver D, where D may be a+b");
    return lines;
  }

  private static String orders(List<Cell> cells) {
    long run = cells.stream().mapToLong(cell -> cell.histories().size()).sum();
    long allowed = cells.stream().mapToLong(Cell::orders).sum();
    return String.format(
        Locale.ROOT,
        "%,d %s run of the %,d that UEFI allows%s",
        run,
        run == 1 ? "order" : "orders",
        allowed,
        run < allowed ? ", the others come to the same" : "");
  }
}
