package dev.virtiolab.lab.ebs.html;

import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.Circumstance;
import dev.virtiolab.lab.ebs.Encounter;
import dev.virtiolab.lab.ebs.History;
import dev.virtiolab.lab.ebs.HistoryId;
import dev.virtiolab.lab.ebs.Invariant;
import dev.virtiolab.lab.ebs.Report;
import dev.virtiolab.lab.ebs.Timeline;
import dev.virtiolab.lab.html.Markup;
import dev.virtiolab.lab.html.Page;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * The whole page: the question and what is asked of an answer, the matrices, the history of each
 * cell as a picture and a table, and what came of other ways to call ExitBootServices.
 */
public final class HtmlReport {
  private static final String QUESTION =
      "Who unmaps at ExitBootServices, and in which order is that safe?";

  private final Report report;
  private final Function<HistoryId, Timeline> replay;
  private final String again;
  private final Markup out = new Markup();

  private HtmlReport(Report report, Function<HistoryId, Timeline> replay, String again) {
    this.report = report;
    this.replay = replay;
    this.again = again;
  }

  /**
   * The page.
   *
   * @param replay asked once for each cell that has a history, in the order of the cells: for the
   *     one that fails soonest, or the first where none does
   * @param again the command that knows policies and drivers as this one does: {@code vlab ebs},
   *     and {@code --with} whatever came from a file
   */
  public static String of(Report report, Function<HistoryId, Timeline> replay, String again) {
    return new HtmlReport(report, replay, again).page();
  }

  private String page() {
    // The script begins and ends as a comment in HTML and as a quotation in XML.
    String script = "\n//<![CDATA[\n" + Page.resource(HtmlReport.class, "timeline.js") + "//]]>\n";
    Page.head(out, "virtio-lab: " + QUESTION, Page.resource(HtmlReport.class, "report.css"));
    out.empty("meta", "http-equiv", "Content-Security-Policy", "content", policy(script));
    Page.body(out);
    header();
    matrices();
    encounters();
    out.open("script", "type", "application/json", "id", "histories").raw(histories()).close();
    out.open("script").raw(script).close();
    Page.end(out);
    return out.toString();
  }

  /** What the browser may do: run that script, apply styles, and nothing else. */
  private static String policy(String script) {
    try {
      byte[] digest =
          MessageDigest.getInstance("SHA-256").digest(script.getBytes(StandardCharsets.UTF_8));
      return "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-%s'"
          .formatted(Base64.getEncoder().encodeToString(digest));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java has it
    }
  }

  private void header() {
    out.open("header");
    out.element("p", "vlab ebs", "class", "overline");
    out.element("h1", QUESTION);
    out.element(
        "p",
        "For a device to reach memory, firmware opens holes: pages that are shared under SEV,"
            + " entries of an IOMMU. When it hands the machine to an operating system, somebody has"
            + " to close them: after the last driver has stopped its device, without changing the"
            + " memory map that the system just accepted, at a moment for which UEFI has no word."
            + " In September 2017 the developers of edk2 argued on edk2-devel whether that is for"
            + " each driver, for the IOMMU driver, or for a hook that comes last. Here each answer"
            + " runs, in every order of handlers that UEFI allows, while every device that is"
            + " still live attempts DMA between any two steps.",
        "class",
        "lead");
    List<String> findings =
        report.cells().stream()
            .map(Cell::platform)
            .distinct()
            .map(platform -> Summary.best(platform, report.cells()))
            .filter(finding -> !finding.isEmpty())
            .toList();
    if (!findings.isEmpty()) {
      out.element("p", String.join(" ", findings), "class", "finding");
    }
    out.element("p", Summary.effort(report), "class", "quiet");
    if (!report.settings().defects().isEmpty()) {
      out.element(
          "p",
          "The core is broken on purpose: "
              + String.join(
                  ", ", report.settings().defects().stream().map(Enum::name).sorted().toList()),
          "class",
          "warning");
    }
    out.close();
    out.open("section");
    out.element("h2", "What has to hold, at and before the hand-off");
    out.open("dl", "class", "invariants");
    for (Invariant invariant : Invariant.values()) {
      out.element("dt", invariant.name()).element("dd", invariant.meaning());
    }
    out.close();
    Matrices.legend(out, report.settings());
    out.open("p", "class", "reading");
    out.element("b", "How to read the matrices. ");
    out.text(
        "A cell is a policy, the drivers of one machine and a platform; it names the invariants that"
            + " break. Choose one, and the run that fails soonest is drawn below its matrix: or, if"
            + " none fails, the first one. A live device attempts DMA between any two steps: the attempts"
            + " that break an invariant are steps of their own.");
    out.close();
    out.open("noscript");
    out.element(
        "p",
        "The pictures are drawn by the script in this page, which your browser does not run. The"
            + " matrices read without it; vlab ebs --policy P --driver D tells a cell's history as"
            + " text.",
        "class",
        "warning");
    out.close().close();
  }

  private void matrices() {
    report.cells().stream()
        .map(Cell::platform)
        .distinct()
        .forEach(platform -> new Matrices(platform, report.cells(), out).write());
  }

  private String histories() {
    Pack pack = new Pack(again, report.settings());
    for (Cell cell : report.cells()) {
      Optional<History> shown =
          cell.shortestFailure().or(() -> cell.histories().stream().findFirst());
      if (shown.isPresent()) {
        pack.add(cell, replay.apply(shown.get().id()));
      } else {
        pack.add(cell);
      }
    }
    return pack.json();
  }

  private void encounters() {
    if (report.encounters().isEmpty()) {
      return;
    }
    out.open("section", "id", "encounters");
    out.element("h2", "Other ways to call ExitBootServices");
    for (Circumstance circumstance : Circumstance.values()) {
      List<Encounter> some =
          report.encounters().stream().filter(one -> one.circumstance() == circumstance).toList();
      if (!some.isEmpty()) {
        encounters(circumstance, some);
      }
    }
    out.close();
  }

  private void encounters(Circumstance circumstance, List<Encounter> some) {
    out.open("figure", "class", "rows", "id", circumstance.word());
    out.open("figcaption").element("b", circumstance.word()).text(circumstance.meaning()).close();
    out.open("div", "class", "scroll").open("table").open("thead").open("tr");
    for (String head : List.of("policy", "driver", "platform", "verdict", "what was seen")) {
      out.element("th", head, "scope", "col");
    }
    out.close().close().open("tbody");
    for (Encounter one : some) {
      out.open("tr").element("th", one.policy(), "scope", "row");
      out.element("td", one.driver());
      out.element("td", one.platform().label());
      out.open("td");
      out.open("span", "class", "chip " + Look.style(one.verdict()));
      out.element("span", Look.sign(one.verdict()), "class", "sign", "aria-hidden", "true");
      out.text(" " + one.verdict().word()).close();
      out.text(" " + Look.invariants(one.invariants())).close();
      out.open("td").open("ul");
      one.seen().forEach(line -> out.element("li", line));
      out.close().close().close();
    }
    out.close().close().close().close();
  }
}
