package dev.virtiolab.lab.ebs.html;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.Report;
import dev.virtiolab.lab.ebs.Settings;
import dev.virtiolab.lab.ebs.Verdict;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** What a report says, in words: everything here follows from its cells. */
final class Summary {
  private static final int MOST_NAMED = 3;

  private Summary() {}

  /** Which policies come out best on a platform, one driver at a time; empty without such cells. */
  static String best(PlatformKind platform, Collection<Cell> cells) {
    Map<String, long[]> safeAndAll = new LinkedHashMap<>();
    for (Cell cell : cells) {
      if (cell.platform() == platform
          && cell.drivers().size() == 1
          && cell.verdict() != Verdict.NOT_APPLICABLE) {
        long[] counts = safeAndAll.computeIfAbsent(cell.policy(), name -> new long[2]);
        counts[0] += cell.verdict() == Verdict.SAFE ? 1 : 0;
        counts[1]++;
      }
    }
    if (safeAndAll.size() < 2) {
      return "";
    }
    long most = safeAndAll.values().stream().mapToLong(counts -> counts[0]).max().orElseThrow();
    long all = safeAndAll.values().stream().mapToLong(counts -> counts[1]).max().orElseThrow();
    List<String> best =
        safeAndAll.entrySet().stream()
            .filter(policy -> policy.getValue()[0] == most)
            .map(Map.Entry::getKey)
            .toList();
    String on = "On " + platform.label();
    if (most == 0) {
      return on + ", no policy is safe with any driver.";
    }
    if (most == all) {
      return "%s, %s %s safe with every driver."
          .formatted(on, names(best), best.size() == 1 ? "is" : "are");
    }
    return "%s, no policy is safe with every driver; %s %s nearest, with %s of %s."
        .formatted(on, names(best), best.size() == 1 ? "comes" : "come", most, all);
  }

  private static String names(List<String> names) {
    if (names.size() > MOST_NAMED) {
      return names.size() + " policies";
    }
    int last = names.size() - 1;
    return last == 0
        ? names.getFirst()
        : String.join(", ", names.subList(0, last)) + " and " + names.get(last);
  }

  /** How much was run, and how. */
  static String effort(Report report) {
    Settings settings = report.settings();
    List<String> parts = new ArrayList<>();
    parts.add(plural(report.cells().size(), "cell"));
    List<Cell> whole =
        report.cells().stream()
            .filter(cell -> cell.verdict() != Verdict.DOES_NOT_TERMINATE)
            .toList();
    parts.add(plural(whole.stream().mapToLong(Cell::orders).sum(), "order"));
    parts.add(plural(whole.stream().mapToLong(cell -> cell.histories().size()).sum(), "run"));
    int cut = report.cells().size() - whole.size();
    if (cut > 0) {
      parts.add(
          "besides, %s in which a run was cut and other orders were not tried"
              .formatted(plural(cut, "cell")));
    }
    parts.add(settings.edk2Order() ? "edk2\u2019s order only" : "every order that UEFI allows");
    parts.add(settings.slots() ? "bounce slots as today" : "no bounce slots, as in 2017");
    parts.add("seed " + settings.seed());
    return String.join(" \u00b7 ", parts);
  }

  /** How many cells of each verdict, those that there are. */
  static String verdicts(Collection<Cell> cells) {
    Map<Verdict, Long> counts =
        cells.stream()
            .collect(
                Collectors.groupingBy(
                    Cell::verdict, () -> new EnumMap<>(Verdict.class), Collectors.counting()));
    return Arrays.stream(Verdict.values())
        .filter(counts::containsKey)
        .map(verdict -> counts.get(verdict) + " " + verdict.word())
        .collect(Collectors.joining(", "));
  }

  static String plural(long count, String noun) {
    return "%s %s%s".formatted(grouped(count), noun, count == 1 ? "" : "s");
  }

  private static String grouped(long number) {
    return String.format(Locale.ROOT, "%,d", number);
  }
}
