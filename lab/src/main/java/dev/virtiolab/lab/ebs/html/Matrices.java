package dev.virtiolab.lab.ebs.html;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.Settings;
import dev.virtiolab.lab.ebs.Verdict;
import dev.virtiolab.lab.html.Markup;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The cells of one platform: each is a link to itself, where the script shows its history. */
final class Matrices {
  /** In pixels: the drivers' names, and what is said of one policy. */
  private static final int HEAD_WIDTH = 132;

  private static final int COLUMN_WIDTH = 88;

  private final PlatformKind platform;
  private final List<Cell> cells;
  private final Map<String, Cell> byKey = new HashMap<>();
  private final Markup out;

  /**
   * @param all of the report, in its order, which is that of rows and columns
   */
  Matrices(PlatformKind platform, List<Cell> all, Markup out) {
    this.platform = platform;
    this.out = out;
    cells = all.stream().filter(cell -> cell.platform() == platform).toList();
    cells.forEach(cell -> byKey.put(Look.key(cell), cell));
  }

  /** A section for each number of drivers on one machine. */
  void write() {
    Map<Integer, List<Cell>> byCount =
        cells.stream()
            .collect(
                Collectors.groupingBy(
                    cell -> cell.drivers().size(), TreeMap::new, Collectors.toList()));
    byCount.forEach(
        (count, some) -> {
          switch (count) {
            case 1 -> single(some);
            case 2 -> pairs(some);
            default -> more(count, some);
          }
        });
  }

  // ---- one driver

  private void single(List<Cell> some) {
    List<String> drivers = some.stream().map(Cell::driver).distinct().toList();
    List<String> policies = policies(some);
    section("", "One driver on " + platform.label(), some);
    out.open("figure", "class", "matrix", "id", platform.label());
    // One's own policies make it wider: each column has room for the longest word there is.
    String width = "min-width: %spx".formatted(HEAD_WIDTH + COLUMN_WIDTH * policies.size());
    out.open("div", "class", "scroll").open("table", "style", width);
    out.element("caption", "a row for each driver, a column for each policy");
    out.open("thead").open("tr");
    out.element("th", "driver", "scope", "col");
    policies.forEach(policy -> out.element("th", policy, "scope", "col"));
    out.close().close().open("tbody");
    for (String driver : drivers) {
      out.open("tr").element("th", driver, "scope", "row");
      for (String policy : policies) {
        Cell cell = byKey.get(platform.label() + "/" + policy + "/" + driver);
        if (cell == null) {
          out.open("td").close();
          continue;
        }
        openCell(cell, "");
        out.element("span", Look.sign(cell.verdict()), "class", "sign", "aria-hidden", "true");
        out.element("span", cell.verdict().word(), "class", "word");
        if (!cell.invariants().isEmpty()) {
          out.element("span", Look.invariants(cell.invariants()), "class", "broken");
        }
        out.close().close();
      }
      out.close();
    }
    out.close().close().close().close().close();
  }

  // ---- two: a triangle of signs for each policy

  private void pairs(List<Cell> some) {
    List<String> drivers = driversOf(some);
    section("pairs", "Two drivers on " + platform.label(), some);
    out.element(
        "p",
        "A small matrix for each policy. The numbers above the columns are those of the rows.",
        "class",
        "reading");
    out.open("div", "class", "grids");
    Map<String, Map<List<String>, Cell>> byPolicy = new HashMap<>();
    for (Cell cell : some) {
      Map<List<String>, Cell> pairs =
          byPolicy.computeIfAbsent(cell.policy(), name -> new HashMap<>());
      pairs.put(cell.drivers(), cell);
      pairs.put(cell.drivers().reversed(), cell);
    }
    for (String policy : policies(some)) {
      grid(policy, drivers, byPolicy.get(policy));
    }
    out.close().close();
  }

  private void grid(String policy, List<String> drivers, Map<List<String>, Cell> pairs) {
    out.open("figure", "class", "grid", "id", platform.label() + "-pairs-" + policy);
    out.open("figcaption").element("b", policy);
    out.text(Summary.verdicts(List.copyOf(new LinkedHashSet<>(pairs.values()))));
    out.close();
    out.open("div", "class", "scroll").open("table").open("thead").open("tr");
    out.element("td", "");
    for (int column = 0; column < drivers.size(); column++) {
      out.element("th", Integer.toString(column + 1), "scope", "col", "title", drivers.get(column));
    }
    out.close().close().open("tbody");
    for (int row = 0; row < drivers.size(); row++) {
      out.open("tr").open("th", "scope", "row");
      out.text(drivers.get(row)).element("span", Integer.toString(row + 1)).close();
      for (int column = 0; column <= row; column++) {
        Cell cell = pairs.get(List.of(drivers.get(row), drivers.get(column)));
        if (cell == null) {
          out.open("td").close();
        } else {
          openCell(cell, described(cell));
          out.text(Look.sign(cell.verdict())).close().close();
        }
      }
      out.close();
    }
    out.close().close().close().close();
  }

  private static String described(Cell cell) {
    String broken = Look.invariants(cell.invariants());
    return "%s: %s%s%s"
        .formatted(
            String.join(" and ", cell.drivers()),
            cell.verdict().word(),
            broken.isEmpty() ? "" : ", ",
            broken);
  }

  // ---- three and more: a row each

  private void more(int count, List<Cell> some) {
    section("drivers-" + count, "%s drivers on %s".formatted(count, platform.label()), some);
    out.open("figure", "class", "rows").open("div", "class", "scroll").open("table");
    out.open("thead").open("tr");
    for (String head : List.of("policy", "drivers", "verdict")) {
      out.element("th", head, "scope", "col");
    }
    out.close().close().open("tbody");
    for (Cell cell : some) {
      out.open("tr").element("th", cell.policy(), "scope", "row");
      out.element("td", String.join(", ", cell.drivers()));
      openCell(cell, "");
      out.element("span", Look.sign(cell.verdict()), "class", "sign", "aria-hidden", "true");
      out.text(" " + cell.verdict().word() + " " + Look.invariants(cell.invariants()));
      out.close().close().close();
    }
    out.close().close().close().close().close();
  }

  // ---- all of them

  private void section(String part, String title, List<Cell> some) {
    out.open("section", "id", platform.label() + "-section" + (part.isEmpty() ? "" : "-" + part));
    out.element("h2", title);
    out.element("p", Summary.verdicts(some) + ".", "class", "quiet");
  }

  /** Opens a cell and the link in it. */
  private void openCell(Cell cell, String description) {
    String key = Look.key(cell);
    out.open("td", "class", Look.style(cell.verdict()), "id", key);
    if (description.isEmpty()) {
      out.open("a", "href", Look.link(key));
    } else {
      out.open("a", "href", Look.link(key), "title", description, "aria-label", description);
    }
  }

  private static List<String> policies(List<Cell> some) {
    return some.stream().map(Cell::policy).distinct().toList();
  }

  /** In the order that they have one at a time, and by name if they have none. */
  private List<String> driversOf(List<Cell> some) {
    List<String> known =
        cells.stream()
            .filter(cell -> cell.drivers().size() == 1)
            .map(Cell::driver)
            .distinct()
            .toList();
    List<String> drivers =
        new ArrayList<>(some.stream().flatMap(cell -> cell.drivers().stream()).distinct().toList());
    drivers.sort(
        Comparator.comparingInt(
                (String name) -> known.contains(name) ? known.indexOf(name) : known.size())
            .thenComparing(Comparator.naturalOrder()));
    return drivers;
  }

  /** Whoever reads without a script needs to know what the signs mean. */
  static void legend(Markup out, Settings settings) {
    out.open("ul", "class", "legend");
    for (Verdict verdict : Verdict.values()) {
      out.open("li");
      out.open("span", "class", "chip " + Look.style(verdict));
      out.element("span", Look.sign(verdict), "class", "sign", "aria-hidden", "true");
      out.text(" " + verdict.word()).close();
      out.text(" " + verdict.meaning(settings)).close();
    }
    out.close();
  }
}
