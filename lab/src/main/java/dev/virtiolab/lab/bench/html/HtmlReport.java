package dev.virtiolab.lab.bench.html;

import dev.virtiolab.lab.bench.BenchReport;
import dev.virtiolab.lab.bench.BenchResult;
import dev.virtiolab.lab.bench.MachineFacts;
import dev.virtiolab.lab.html.Markup;
import dev.virtiolab.lab.html.Page;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * The whole page: the finding as its headline, four figures, a chart with its table for each
 * direction and number of threads, every row, and the machine.
 */
public final class HtmlReport {
  private static final String STYLE_SHEET = "report.css";

  private final BenchReport report;
  private final Findings findings;
  private final List<String> names;
  private final Markup out = new Markup();

  private HtmlReport(BenchReport report) {
    this.report = report;
    findings = new Findings(report.results());
    names = report.results().stream().map(BenchResult::series).distinct().toList();
  }

  /**
   * The page for a report.
   *
   * @param report with at least one result
   */
  public static String of(BenchReport report) {
    return new HtmlReport(report).page();
  }

  private String page() {
    Page.head(
        out, "virtio-lab: " + findings.headline(), Page.resource(HtmlReport.class, STYLE_SHEET));
    Page.body(out);
    header();
    keyFigures();
    howToRead();
    report.results().stream()
        .map(BenchResult::threads)
        .distinct()
        .sorted()
        .forEach(this::threadsSection);
    allRows();
    machine();
    Page.end(out);
    return out.toString();
  }

  // ---- in the first ten seconds

  private void header() {
    MachineFacts machine = report.machine();
    out.open("header");
    out.element("p", "vlab bench " + report.suite(), "class", "overline");
    out.element("h1", findings.headline());
    out.element("p", findings.comparison(), "class", "lead");
    out.element(
        "p",
        String.join(
            " · ",
            machine.cpu() + ", " + machine.cores() + (machine.cores() == 1 ? " core" : " cores"),
            machine.kernel(),
            machine.java(),
            machine.started()),
        "class",
        "quiet");
    if (!report.complete()) {
      out.element("p", "This run was interrupted: cases are missing.", "class", "warning");
    }
    out.close();
  }

  private void keyFigures() {
    BenchResult frames = findings.mostFrames();
    BenchResult bits = findings.mostBits();
    BenchResult allocated = findings.mostAllocated();
    out.open("div", "class", "tiles");
    tile(
        Figures.si(frames.framesPerSecond().median()),
        "frames/s",
        "at most: " + Findings.where(frames));
    tile(Figures.digits(bits.gigabitsPerSecond()), "Gbit/s", "at most: " + Findings.where(bits));
    tile(
        Markup.number(allocated.bytesAllocatedPerFrame()),
        "bytes allocated per frame",
        allocated.bytesAllocatedPerFrame() == 0
            ? "at most; on the Java heap, by driver and device together"
            : "at most: " + Findings.where(allocated));
    tile(
        Math.round(findings.typicalWidthPercent()) + "\u00a0%",
        "spread of the runs",
        "from slowest to fastest of %d, in the middle of all cases; at most %d\u00a0%%"
            .formatted(report.runs(), Math.round(findings.largestWidthPercent())));
    out.close();
  }

  private void tile(String figure, String unit, String where) {
    out.open("div");
    out.element("span", figure, "class", "figure");
    out.element("span", unit, "class", "unit");
    out.element("span", where, "class", "quiet");
    out.close();
  }

  private void howToRead() {
    out.open("p", "class", "reading");
    out.element("b", "How to read the charts. ");
    out.text(
        "A mark is the median of %d runs of %s s, its bar goes from the slowest to the fastest. Both"
            .formatted(report.runs(), Markup.number(report.secondsPerRun())));
    out.text(
        " axes are logarithmic: equal ratios are equal distances, and a bit rate is one of the"
            + " dashed lines. All charts have the same axes. A frame is counted from its destination"
            + " address to the end of its data. Every frame was looked for at the far"
            + " end; a run that loses one has no figure.");
    if (names.stream().anyMatch(name -> name.startsWith("sev"))) {
      out.text(
          " The IOMMU driver of plain “sev” has OVMF’s bounce slots, that of “sev (ring)”"
              + " one for every request of a full ring.");
    }
    out.close();
  }

  // ---- one figure for each direction and number of threads

  private void threadsSection(int threads) {
    out.open("section");
    out.element(
        "h2",
        threads == 1
            ? "One thread: driver and device take turns"
            : "Two threads: the device has its own");
    Map<String, List<BenchResult>> byDirection =
        report.results().stream()
            .filter(row -> row.threads() == threads)
            .collect(
                Collectors.groupingBy(
                    BenchResult::direction,
                    () -> new TreeMap<>(Comparator.comparingInt(HtmlReport::order)),
                    Collectors.toList()));
    byDirection.forEach((direction, rows) -> figure(direction, threads, rows));
    out.close();
  }

  private static int order(String direction) {
    return List.of("tx", "rx", "both").indexOf(direction);
  }

  private static String spelled(String direction) {
    return switch (direction) {
      case "tx" -> "Transmit";
      case "rx" -> "Receive";
      default -> "Both ways, added up";
    };
  }

  private void figure(String direction, int threads, List<BenchResult> rows) {
    List<SpeedChart.Series> lines =
        names.stream()
            .map(
                name ->
                    new SpeedChart.Series(
                        name,
                        names.indexOf(name),
                        rows.stream()
                            .filter(row -> row.series().equals(name))
                            .sorted(Comparator.comparingInt(BenchResult::frameBytes))
                            .toList()))
            .filter(line -> !line.points().isEmpty())
            .toList();
    String id = direction + "-" + threads;
    out.open("figure", "id", id);
    out.open("figcaption");
    out.element("b", spelled(direction));
    out.text(Findings.compare(lines));
    out.close();
    out.open("div", "class", "pair");
    new SpeedChart(lines, report.results(), out)
        .draw(
            id,
            spelled(direction) + ", frames per second by frame size, threads: " + threads,
            Findings.describe(lines) + ". The table beside the chart has every figure.");
    table(lines);
    out.close().close();
  }

  private void table(List<SpeedChart.Series> lines) {
    out.open("div", "class", "scroll").open("table");
    out.element("caption", "Frames/s, and Gbit/s below");
    out.open("thead").open("tr");
    out.element("th", "bytes", "scope", "col");
    for (SpeedChart.Series line : lines) {
      out.element("th", line.name(), "scope", "col", "class", "s" + line.style());
    }
    out.close().close().open("tbody");
    lines.stream()
        .flatMap(line -> line.points().stream())
        .map(BenchResult::frameBytes)
        .distinct()
        .sorted()
        .forEach(bytes -> row(bytes, lines));
    out.close().close().close();
  }

  private void row(int bytes, List<SpeedChart.Series> lines) {
    out.open("tr");
    out.element("th", Integer.toString(bytes), "scope", "row");
    for (SpeedChart.Series line : lines) {
      out.open("td");
      line.points().stream()
          .filter(point -> point.frameBytes() == bytes)
          .findFirst()
          .ifPresent(
              point -> {
                out.text(Figures.si(point.framesPerSecond().median()));
                out.element("span", Figures.digits(point.gigabitsPerSecond()), "class", "quiet");
              });
      out.close();
    }
    out.close();
  }

  // ---- for whoever has more than a minute

  private void allRows() {
    out.open("section").open("details");
    out.element("summary", "All " + report.results().size() + " rows, to the frame");
    out.open("div", "class", "scroll").open("table", "id", "all");
    out.open("thead").open("tr");
    for (String head :
        List.of(
            "platform",
            "bounce slots",
            "direction",
            "threads",
            "bytes",
            "frames/s, median",
            "min",
            "max",
            "Gbit/s",
            "bytes allocated per frame",
            "frames counted")) {
      out.element("th", head, "scope", "col");
    }
    out.close().close().open("tbody");
    for (BenchResult row : report.results()) {
      out.open("tr");
      out.element("th", row.platform(), "scope", "row");
      out.element("td", row.bounceSlots() == null ? "" : row.bounceSlots());
      out.element("td", row.direction());
      out.element("td", Integer.toString(row.threads()));
      out.element("td", Integer.toString(row.frameBytes()));
      out.element("td", grouped(row.framesPerSecond().median()));
      out.element("td", grouped(row.framesPerSecond().min()));
      out.element("td", grouped(row.framesPerSecond().max()));
      out.element("td", Figures.digits(row.gigabitsPerSecond()));
      out.element("td", Markup.number(row.bytesAllocatedPerFrame()));
      out.element("td", grouped(row.frames()));
      out.close();
    }
    out.close().close().close().close().close();
  }

  private static String grouped(long number) {
    return String.format(Locale.ROOT, "%,d", number);
  }

  private void machine() {
    MachineFacts facts = report.machine();
    out.open("section");
    out.element("h2", "The machine");
    out.open("dl");
    fact("processor", facts.cpu());
    fact("cores", Integer.toString(facts.cores()));
    fact("clock governor", facts.governor());
    fact("load before", facts.loadAverage());
    fact("kernel", facts.kernel());
    fact("Java", facts.java());
    fact("its options", String.join(" ", facts.javaOptions()));
    fact("sources", facts.revision());
    fact("started", facts.started());
    out.close().close();
  }

  private void fact(String name, String value) {
    out.element("dt", name).element("dd", value.isEmpty() ? "none" : value);
  }
}
