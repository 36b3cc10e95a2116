package dev.virtiolab.lab.cli;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.Invariant;
import dev.virtiolab.lab.ebs.Settings;
import dev.virtiolab.lab.ebs.Verdict;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Cells as a table in which a sign is the verdict and digits are the invariants that break: {@code
 * x14} is unsafe, I1 and I4.
 *
 * <p>A row for each machine, a column for each policy. Names of policies are longer than what is in
 * their columns, so they hang above them like flags:
 *
 * <pre>
 *                          core-hook
 *           requeue-callback |
 * virtio-net          .      .
 * never-maps          x1     x1
 * </pre>
 */
final class EbsMatrix {
  private static final int GAP = 2;

  /** Columns stand no closer, whatever is in them. */
  private static final int MIN_COLUMN = 2;

  private EbsMatrix() {}

  /** One character. */
  static String sign(Verdict verdict) {
    return switch (verdict) {
      case SAFE -> ".";
      case UNSAFE -> "x";
      case ORDER_DEPENDENT -> "~";
      case DOES_NOT_TERMINATE -> "!";
      case NOT_APPLICABLE -> "-";
    };
  }

  /** The sign, and a digit for each invariant that breaks. */
  static String word(Cell cell) {
    return sign(cell.verdict())
        + cell.invariants().stream().map(EbsMatrix::digit).collect(Collectors.joining());
  }

  private static String digit(Invariant invariant) {
    return invariant.name().substring(1);
  }

  /**
   * A table of one platform: a row for each machine, a column for each policy.
   *
   * @param cells rows and columns are in the order in which they first come
   */
  static List<String> table(PlatformKind platform, List<Cell> cells) {
    Map<List<String>, String> words =
        cells.stream()
            .collect(
                Collectors.toMap(cell -> List.of(cell.driver(), cell.policy()), EbsMatrix::word));
    return flagged(
        platform.label(),
        cells.stream().map(Cell::driver).distinct().toList(),
        cells.stream().map(Cell::policy).distinct().toList(),
        words);
  }

  /**
   * A table of pairs: a row for one driver, a column for the other.
   *
   * @param cells of one platform and one policy, two cards each
   */
  static List<String> pairs(PlatformKind platform, List<Cell> cells) {
    Map<List<String>, String> words = new HashMap<>();
    for (Cell cell : cells) {
      words.put(cell.drivers(), word(cell));
      words.put(cell.drivers().reversed(), word(cell));
    }
    List<String> drivers =
        cells.stream().flatMap(cell -> cell.drivers().stream()).distinct().toList();
    return flagged(platform.label(), drivers, drivers, words);
  }

  /** Columns that do not fit beside the others follow in a table of their own. */
  private static List<String> flagged(
      String title, List<String> rows, List<String> columns, Map<List<String>, String> words) {
    List<String> lines = new ArrayList<>();
    for (int from = 0; from < columns.size(); ) {
      int to = columns.size();
      int[] at = places(title, rows, columns.subList(from, to), words);
      while (at[to - from] > Text.WIDTH && to - from > 1) {
        to--;
        at = places(title, rows, columns.subList(from, to), words);
      }
      if (!lines.isEmpty()) {
        lines.add("");
      }
      lines.addAll(flagged(title, rows, columns.subList(from, to), words, at));
      from = to;
    }
    return lines;
  }

  private static List<String> flagged(
      String title,
      List<String> rows,
      List<String> columns,
      Map<List<String>, String> words,
      int[] at) {
    List<String> lines = new ArrayList<>();
    for (int named = columns.size() - 1; named >= 0; named--) {
      StringBuilder line = new StringBuilder(lines.isEmpty() ? title : "");
      String name = columns.get(named);
      put(line, at[named] + 1 - name.length(), name);
      for (int i = named + 1; i < columns.size(); i++) {
        put(line, at[i], "|");
      }
      lines.add(line.toString());
    }
    for (String row : rows) {
      StringBuilder line = new StringBuilder(row);
      for (int i = 0; i < columns.size(); i++) {
        put(line, at[i], words.getOrDefault(List.of(row, columns.get(i)), ""));
      }
      lines.add(line.toString().stripTrailing());
    }
    return lines;
  }

  /** Where each column begins; behind them, where the last one ends. */
  private static int[] places(
      String title, List<String> rows, List<String> columns, Map<List<String>, String> words) {
    int[] at = new int[columns.size() + 1];
    int next = Text.longest(rows) + GAP;
    for (int i = 0; i < columns.size(); i++) {
      String column = columns.get(i);
      int beforeFlag = i == columns.size() - 1 ? title.length() + 1 : 0;
      at[i] = Math.max(next, beforeFlag + column.length() - 1);
      int widest =
          Text.longest(
              rows.stream().map(row -> words.getOrDefault(List.of(row, column), "")).toList());
      next = at[i] + Math.max(MIN_COLUMN, widest) + GAP;
    }
    at[columns.size()] = next - GAP;
    return at;
  }

  private static void put(StringBuilder line, int column, String text) {
    line.append(" ".repeat(Math.max(0, column - line.length()))).append(text);
  }

  /** What the signs and digits mean that are in the tables. */
  static List<String> legend(List<Cell> cells, Settings settings) {
    List<String> lines = new ArrayList<>();
    cells.stream()
        .map(Cell::verdict)
        .distinct()
        .sorted()
        .forEach(
            verdict ->
                lines.add(
                    sign(verdict) + "  " + verdict.word() + ": " + verdict.meaning(settings)));
    TreeSet<Invariant> broken =
        cells.stream()
            .flatMap(cell -> cell.invariants().stream())
            .collect(Collectors.toCollection(TreeSet::new));
    if (!broken.isEmpty()) {
      lines.add("The digits are the invariants that break:");
      broken.forEach(one -> lines.add(one + "  " + one.meaning()));
    }
    return lines;
  }

  // ---- several drivers on one machine

  /**
   * How machines with several cards fare, policy by policy.
   *
   * @param cells all of one platform, with the same number of cards
   */
  static List<String> summary(List<Cell> cells) {
    List<Verdict> verdicts = cells.stream().map(Cell::verdict).distinct().sorted().toList();
    Map<String, List<Cell>> byPolicy =
        cells.stream()
            .collect(Collectors.groupingBy(Cell::policy, LinkedHashMap::new, Collectors.toList()));
    List<String> lines = new ArrayList<>();
    int first = Text.longest(byPolicy.keySet());
    lines.add(
        " ".repeat(first)
            + verdicts.stream()
                .map(verdict -> " ".repeat(GAP) + verdict.word())
                .collect(Collectors.joining()));
    byPolicy.forEach(
        (policy, row) ->
            lines.add(
                verdicts.stream()
                    .map(verdict -> count(row, verdict))
                    .collect(Collectors.joining("", Text.padded(policy, first), ""))
                    .stripTrailing()));
    return lines;
  }

  private static String count(List<Cell> row, Verdict verdict) {
    long count = row.stream().filter(cell -> cell.verdict() == verdict).count();
    return ("%" + (GAP + verdict.word().length()) + "s").formatted(count == 0 ? "" : count);
  }

  /**
   * Those that are worse than the worst of their drivers is alone.
   *
   * @param cells with several cards
   * @param alone those with one; what is not among them is not compared
   */
  static List<String> worse(List<Cell> cells, List<Cell> alone) {
    Map<List<String>, Cell> singles =
        alone.stream()
            .collect(
                Collectors.toMap(
                    cell -> List.of(cell.policy(), cell.driver()), Function.identity()));
    record Worse(Cell cell, List<Cell> parts) {}
    List<Worse> found = new ArrayList<>();
    boolean known = true;
    boolean pairs = cells.stream().allMatch(cell -> cell.drivers().size() == 2);
    for (Cell cell : cells) {
      List<Cell> parts =
          cell.drivers().stream()
              .distinct()
              .map(driver -> singles.get(List.of(cell.policy(), driver)))
              .toList();
      if (parts.contains(null)) {
        known = false;
      } else if (isWorse(cell, parts)) {
        found.add(new Worse(cell, parts));
      }
    }
    if (found.isEmpty()) {
      return known
          ? List.of(
              pairs
                  ? "No pair is worse than the worse of its two drivers alone."
                  : "None is worse than the worst of its drivers alone.")
          : List.of();
    }
    return Stream.concat(
            Stream.of(
                pairs
                    ? "Worse than the worse of its two drivers alone:"
                    : "Worse than the worst of its drivers alone:"),
            found.stream()
                .map(
                    one ->
                        "  %s with %s: %s; alone %s"
                            .formatted(
                                one.cell.driver(),
                                one.cell.policy(),
                                word(one.cell),
                                one.parts.stream()
                                    .map(EbsMatrix::word)
                                    .collect(Collectors.joining(", ")))))
        .toList();
  }

  /** Whether the verdict is graver than any of the parts', or an invariant breaks that none did. */
  private static boolean isWorse(Cell cell, List<Cell> parts) {
    boolean graver =
        parts.stream()
            .map(Cell::verdict)
            .max(Comparator.comparingInt(EbsMatrix::gravity))
            .map(worst -> gravity(cell.verdict()) > gravity(worst))
            .orElse(false);
    return graver
        || cell.invariants().stream()
            .anyMatch(one -> parts.stream().noneMatch(part -> part.invariants().contains(one)));
  }

  private static int gravity(Verdict verdict) {
    return switch (verdict) {
      case NOT_APPLICABLE -> 0;
      case SAFE -> 1;
      case ORDER_DEPENDENT -> 2;
      case UNSAFE -> 3;
      case DOES_NOT_TERMINATE -> 4;
    };
  }
}
