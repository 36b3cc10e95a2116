package dev.virtiolab.lab.bench.html;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.lab.bench.BenchReport;
import dev.virtiolab.lab.bench.BenchResult;
import dev.virtiolab.lab.bench.MachineFacts;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

class HtmlReportTest {
  private static final int[] SIZES = {64, 128, 256, 512, 1024, 1280, 1514};

  @Test
  void thePageIsWellFormedAndItsHeadlineIsTheFinding() throws Exception {
    Document page = parse(HtmlReport.of(report(wholeMatrix())));

    assertEquals(
        "On pc, one thread transmits 12.0\u00a0million 64-byte frames a second",
        page.getElementsByTagName("h1").item(0).getTextContent());
    String lead = byClass(page, "p", "lead").getTextContent();
    assertTrue(lead.contains("sev (ring) 46\u00a0%"), lead);
  }

  @Test
  void everyResultHasAMarkARangeAndARow() throws Exception {
    List<BenchResult> rows = wholeMatrix();
    Document page = parse(HtmlReport.of(report(rows)));

    long marks = 0;
    for (String shape : List.of("circle", "rect", "polygon")) {
      marks += count(page, shape, "series");
    }
    assertEquals(rows.size(), marks);
    assertEquals(rows.size(), count(page, "line", "series"));
    String all = page.getElementById("all").getTextContent();
    for (BenchResult row : rows) {
      for (long rate :
          new long[] {
            row.framesPerSecond().median(), row.framesPerSecond().min(), row.framesPerSecond().max()
          }) {
        String text = String.format(Locale.ROOT, "%,d", rate);
        assertTrue(all.contains(text), text + " is missing");
      }
    }
    assertEquals(
        rows.size() + 1, page.getElementById("all").getElementsByTagName("tr").getLength());
  }

  @Test
  void everyChartIsNamedDescribedAndHasItsTableBeside() throws Exception {
    Document page = parse(HtmlReport.of(report(wholeMatrix())));

    NodeList charts = page.getElementsByTagName("svg");
    assertEquals(6, charts.getLength());
    for (int i = 0; i < charts.getLength(); i++) {
      Element chart = (Element) charts.item(i);
      assertEquals("img", chart.getAttribute("role"));
      for (String id : chart.getAttribute("aria-labelledby").split(" ")) {
        assertFalse(page.getElementById(id).getTextContent().isBlank(), id);
      }
      Element figure = (Element) chart.getParentNode();
      assertEquals(
          SIZES.length + 1, figure.getElementsByTagName("tr").getLength(), "rows beside the chart");
    }
  }

  @Test
  void nothingIsFetchedAndNothingIsRun() throws Exception {
    String page = HtmlReport.of(report(wholeMatrix()));

    for (String door :
        List.of(
            "http:", "https:", "//", "<script", "<link", "src=", "href=", "@import", "onload")) {
      assertFalse(page.toLowerCase(Locale.ROOT).contains(door), door);
    }
    assertEquals(
        page.split("url\\(").length, page.split("url\\(#").length, "url() of another document");
  }

  @Test
  void namesAreUniqueOnThePage() throws Exception {
    Document page = parse(HtmlReport.of(report(wholeMatrix())));

    Set<String> ids = new HashSet<>();
    NodeList all = page.getElementsByTagName("*");
    for (int i = 0; i < all.getLength(); i++) {
      String id = ((Element) all.item(i)).getAttribute("id");
      assertTrue(id.isEmpty() || ids.add(id), id);
    }
  }

  @Test
  void noMarkLeavesItsPlot() throws Exception {
    List<BenchResult> rows = new ArrayList<>(wholeMatrix());
    rows.add(row("vtd", null, "tx", 1, 64, 0)); // the slowest there can be
    rows.add(row("vtd", null, "tx", 1, 1514, 3e9));
    Document page = parse(HtmlReport.of(report(rows)));

    NodeList dots = page.getElementsByTagName("circle");
    for (int i = 0; i < dots.getLength(); i++) {
      double x = Double.parseDouble(((Element) dots.item(i)).getAttribute("cx"));
      double y = Double.parseDouble(((Element) dots.item(i)).getAttribute("cy"));
      assertTrue(x >= 50 && x <= 500 && y >= 10 && y <= 320, x + "," + y);
    }
  }

  @Test
  void oneResultIsAReportToo() throws Exception {
    Document page =
        parse(HtmlReport.of(report(List.of(row("sev", "ring", "rx", 2, 512, 1_234_567)))));

    assertEquals(
        "On sev (ring), two threads receive 1.23\u00a0million 512-byte frames a second",
        page.getElementsByTagName("h1").item(0).getTextContent());
    assertEquals(1, page.getElementsByTagName("svg").getLength());
  }

  @Test
  void whatTheMachineCallsItselfCannotBreakThePage() throws Exception {
    MachineFacts facts =
        new MachineFacts("<b>\"A&B\"\u0001", 2, "k", "j", List.of(), "g", "0", "r", "t");
    Document page =
        parse(
            HtmlReport.of(
                new BenchReport(
                    "pps", false, facts, 5, 0.15, List.of(row("pc", null, "tx", 1, 64, 1e6)))));

    assertTrue(page.getDocumentElement().getTextContent().contains("<b>\"A&B\""));
    assertTrue(page.getDocumentElement().getTextContent().contains("interrupted"));
  }

  /** For whoever wants to look: the page of the matrix, in the build's folder. */
  @Test
  void aSampleLiesInTheBuildFolder() throws Exception {
    Path sample = Path.of("target", "bench-sample.html");

    Files.writeString(sample, HtmlReport.of(report(wholeMatrix())));

    assertTrue(Files.size(sample) > 10_000);
  }

  // ---- made-up figures

  private static BenchReport report(List<BenchResult> rows) {
    MachineFacts facts =
        new MachineFacts(
            "Model 7",
            2,
            "Linux 6.1 amd64",
            "VM 25",
            List.of("-XX:+UseSerialGC"),
            "performance",
            "0.10",
            "1e10d1a",
            "2026-01-01T00:00:00Z");
    return new BenchReport("pps", true, facts, 5, 0.15, rows);
  }

  private static List<BenchResult> wholeMatrix() {
    List<BenchResult> rows = new ArrayList<>();
    String[][] series = {
      {"pc", null, "1"},
      {"vtd", null, "0.7"},
      {"noncoherent", null, "0.45"},
      {"sev", "ovmf", "0.02"},
      {"sev", "ring", "0.46"},
    };
    for (String[] one : series) {
      for (int threads = 1; threads <= 2; threads++) {
        for (String direction : List.of("tx", "rx", "both")) {
          for (int size : SIZES) {
            double nanos = 80 + (size - 64) * 0.05;
            double rate = 1e9 / nanos * Double.parseDouble(one[2]) * (threads == 1 ? 0.96 : 1.1);
            rows.add(row(one[0], one[1], direction, threads, size, rate));
          }
        }
      }
    }
    return rows;
  }

  private static BenchResult row(
      String platform, String slots, String direction, int threads, int bytes, double rate) {
    BenchResult.Rate spread =
        new BenchResult.Rate(Math.round(rate), Math.round(rate * 0.93), Math.round(rate * 1.02));
    double gigabits = rate * bytes * 8 / 1e9;
    return new BenchResult(
        platform, slots, direction, threads, bytes, spread, gigabits, 0, 1_000_000, 12);
  }

  // ---- a page as a program sees it

  /** Without a DTD only we know which attribute is an ID. */
  private static Document parse(String page) throws Exception {
    Document document =
        DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(new InputSource(new StringReader(page)));
    NodeList all = document.getElementsByTagName("*");
    for (int i = 0; i < all.getLength(); i++) {
      Element element = (Element) all.item(i);
      if (element.hasAttribute("id")) {
        element.setIdAttribute("id", true);
      }
    }
    return document;
  }

  private static Element byClass(Document page, String element, String name) {
    NodeList all = page.getElementsByTagName(element);
    for (int i = 0; i < all.getLength(); i++) {
      if (((Element) all.item(i)).getAttribute("class").equals(name)) {
        return (Element) all.item(i);
      }
    }
    throw new AssertionError(name);
  }

  /** Elements of that name whose parent is of that class. */
  private static long count(Document page, String element, String parentClass) {
    NodeList all = page.getElementsByTagName(element);
    long count = 0;
    for (int i = 0; i < all.getLength(); i++) {
      if (((Element) all.item(i).getParentNode()).getAttribute("class").startsWith(parentClass)) {
        count++;
      }
    }
    return count;
  }
}
