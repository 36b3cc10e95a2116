package dev.virtiolab.lab.ebs.html;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.core.CoreDefect;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.Circumstance;
import dev.virtiolab.lab.ebs.Encounter;
import dev.virtiolab.lab.ebs.History;
import dev.virtiolab.lab.ebs.HistoryId;
import dev.virtiolab.lab.ebs.Invariant;
import dev.virtiolab.lab.ebs.Report;
import dev.virtiolab.lab.ebs.Settings;
import dev.virtiolab.lab.ebs.Step;
import dev.virtiolab.lab.ebs.Timeline;
import dev.virtiolab.lab.ebs.Verdict;
import java.io.IOException;
import java.io.StringReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Base64;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;
import org.xml.sax.SAXException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class HtmlReportTest {
  private static final JsonMapper JSON = JsonMapper.builder().build();

  private static final String TEXT = page(Sample.whole(), Sample::replay);
  private static final Document PAGE = parse(TEXT);

  // ---- what there is

  @Test
  void everyCellIsThereOnceAndLinksToItself() throws Exception {
    Report report = Sample.whole();
    Document page = PAGE;

    Set<String> keys = new HashSet<>();
    for (Cell cell : report.cells()) {
      String key = cell.platform().label() + "/" + cell.policy() + "/" + cell.driver();
      assertTrue(keys.add(key), key);
      Element place = page.getElementById(key);
      assertNotNull(place, key);
      assertEquals("td", place.getTagName());
      assertEquals("v-" + cell.verdict().word(), place.getAttribute("class"), key);
      Element link = (Element) place.getElementsByTagName("a").item(0);
      assertEquals(key, URI.create(link.getAttribute("href")).getFragment());
      String told = link.getTextContent() + link.getAttribute("aria-label");
      assertTrue(told.contains(cell.verdict().word()), told);
      for (Invariant invariant : cell.invariants()) {
        assertTrue(told.contains(invariant.name()), told);
      }
    }
    assertEquals(
        keys.size(), elements(page, "td").stream().filter(td -> td.hasAttribute("id")).count());
  }

  @Test
  void aCellStandsInTheRowOfItsDriverAndTheColumnOfItsPolicyAsInATerminal() throws Exception {
    Document page = PAGE;

    List<Element> rows = children(page.getElementById("sev"), "tr");
    List<Element> heads = children(rows.getFirst(), "th");
    assertEquals(Sample.DRIVERS.size() + 1, rows.size());
    for (int row = 1; row < rows.size(); row++) {
      List<Element> cells = children(rows.get(row), "td");
      String driver = children(rows.get(row), "th").getFirst().getTextContent();
      assertEquals(Sample.DRIVERS.get(row - 1), driver);
      for (int column = 0; column < cells.size(); column++) {
        String policy = heads.get(column + 1).getTextContent();
        assertEquals(Sample.POLICIES.get(column), policy);
        assertEquals("sev/" + policy + "/" + driver, cells.get(column).getAttribute("id"));
      }
    }
  }

  @Test
  void aPairStandsInTheRowOfOneAndTheColumnOfTheOther() throws Exception {
    Document page = PAGE;

    for (String policy : Sample.POLICIES) {
      List<Element> rows = children(page.getElementById("sev-pairs-" + policy), "tr");
      assertEquals(Sample.DRIVERS.size() + 1, rows.size());
      for (int row = 1; row < rows.size(); row++) {
        List<Element> cells = children(rows.get(row), "td");
        String head = children(rows.get(row), "th").getFirst().getTextContent();
        assertEquals(Sample.DRIVERS.get(row - 1) + row, head);
        assertEquals(row, cells.size());
        for (int column = 0; column < cells.size(); column++) {
          String pair = cells.get(column).getAttribute("id").split("/")[2];
          assertEquals(
              List.of(Sample.DRIVERS.get(row - 1), Sample.DRIVERS.get(column)).stream()
                  .sorted()
                  .toList(),
              List.of(pair.split("\\+")));
        }
      }
    }
  }

  @Test
  void threeDriversHaveARowEach() throws Exception {
    Cell cell = Sample.cell(PlatformKind.SEV, "core-hook", List.of("a", "b", "c"), Verdict.UNSAFE);
    Document page = parse(page(Sample.of(cell), id -> Sample.replay(id, true, Verdict.UNSAFE)));

    assertNotNull(page.getElementById("sev/core-hook/a+b+c"));
  }

  @Test
  void verdictsCanBeToldWithoutColour() throws Exception {
    Set<String> signs = new HashSet<>();
    for (Verdict verdict : Verdict.values()) {
      assertTrue(signs.add(Look.sign(verdict)), Look.sign(verdict));
    }
    Document page = PAGE;
    String all = page.getDocumentElement().getTextContent();
    for (Verdict verdict : Verdict.values()) {
      assertTrue(all.contains(Look.sign(verdict) + " " + verdict.word() + " " + verdict.meaning()));
    }
  }

  @Test
  void theQuestionTheInvariantsAndTheFindingAreSpelledOut() throws Exception {
    Document page = PAGE;
    String all = page.getDocumentElement().getTextContent();

    for (Invariant invariant : Invariant.values()) {
      assertTrue(all.contains(invariant.name() + invariant.meaning()), invariant.name());
    }
    assertTrue(all.contains("September 2017"));
    assertTrue(all.contains("On sev, core-hook is safe with every driver."), "finding");
    assertTrue(all.contains("every order that UEFI allows \u00b7 no bounce slots"), "settings");
    assertEquals(1, page.getElementsByTagName("noscript").getLength());
  }

  @Test
  void whatWasRunOtherwiseIsSaid() throws Exception {
    Settings settings = new Settings(7, true, true, EnumSet.of(CoreDefect.KEY_UNCHECKED));
    Report report = new Report(settings, Sample.whole().cells().subList(0, 3), List.of());
    String all = parse(page(report, Sample::replay)).getDocumentElement().getTextContent();

    assertTrue(all.contains("edk2\u2019s order only \u00b7 bounce slots as today \u00b7 seed 7"));
    assertTrue(all.contains("unsafe edk2's order breaks an invariant"));
    assertFalse(all.contains("every order breaks"));
    assertTrue(all.contains("The core is broken on purpose: KEY_UNCHECKED"));
  }

  @Test
  void everyEncounterHasARow() throws Exception {
    Document page = PAGE;

    for (Circumstance circumstance : Circumstance.values()) {
      Element figure = page.getElementById(circumstance.word());
      assertTrue(figure.getTextContent().contains(circumstance.meaning()));
      assertEquals(2, children(figure, "tr").size());
      assertEquals(2, children(figure, "li").size());
    }
  }

  // ---- histories

  @Test
  void theHistoryOfEachCellIsTheOneThatFailsSoonestStepByStep() throws Exception {
    Report report = Sample.whole();
    JsonNode data = data(TEXT);

    assertEquals(report.cells().size(), data.get("cells").size());
    for (Cell cell : report.cells()) {
      JsonNode packed = data.get("cells").get(Look.key(cell));
      assertEquals(cell.policy(), packed.get("policy").asString());
      assertEquals(cell.orders(), packed.get("orders").asLong());
      assertEquals(cell.histories().size(), packed.get("run").asInt());
      if (cell.histories().isEmpty()) {
        assertFalse(packed.has("steps"));
        continue;
      }
      History shown = cell.shortestFailure().orElse(cell.histories().getFirst());
      Timeline timeline = Sample.replay(shown.id());
      assertEquals("vlab ebs --replay " + shown.id(), packed.get("replay").asString());
      assertEquals(timeline.reason(), packed.get("reason").asString());
      assertEquals(timeline.steps(), unpacked(data, packed));
      assertEquals(shown.breaches().size(), packed.get("breaches").size());
      for (int i = 0; i < shown.breaches().size(); i++) {
        JsonNode breach = packed.get("breaches").get(i);
        assertEquals(shown.breaches().get(i).invariant().ordinal(), breach.get(0).asInt());
        assertEquals(shown.breaches().get(i).step(), breach.get(1).asInt());
        assertEquals(shown.breaches().get(i).text(), breach.get(2).asString());
      }
      assertEquals(
          shown.cut().orElse(null), packed.has("cut") ? packed.get("cut").asString() : null);
    }
  }

  @Test
  void aCellOfALongHistoryHasItsEndsAndWhatBreaks() throws Exception {
    int length = 50_000;
    int odd = 20_000;
    List<Step> steps = new ArrayList<>();
    for (int i = 1; i <= length; i++) {
      steps.add(
          new Step(
              i,
              8,
              "p",
              Step.Kind.SIGNAL,
              "event " + i,
              List.of(),
              1,
              i == odd ? List.of(Invariant.I7) : List.of()));
    }
    HistoryId id =
        new HistoryId(PlatformKind.PC, "p", List.of("d"), List.of(), false, Settings.USUAL.seed());
    History history = new History(id, length, List.of(), Optional.of("it signals itself"));
    Cell cell =
        new Cell(
            "p",
            List.of("d"),
            PlatformKind.PC,
            Verdict.DOES_NOT_TERMINATE,
            List.of(),
            1,
            List.of(history));

    String page = page(Sample.of(cell), asked -> new Timeline(history, steps, ""));
    JsonNode data = data(page);
    List<Step> shown = unpacked(data, data.get("cells").get("pc/p/d"));

    assertTrue(page.length() < 100_000, "bytes=" + page.length());
    assertEquals(Pack.MAX_STEPS_OF_CUT + 1, shown.size());
    assertTrue(
        parse(page)
            .getDocumentElement()
            .getTextContent()
            .contains("besides, 1 cell in which a run was cut and other orders were not tried"));
    assertEquals(steps.getFirst(), shown.getFirst());
    assertTrue(shown.contains(steps.get(odd - 1)));
    assertEquals(steps.getLast(), shown.getLast());
  }

  @Test
  void aPageOfTwelveHundredCellsIsAFewMegabytesAtMost() {
    Report report = Sample.whole();
    int bytes = TEXT.getBytes(StandardCharsets.UTF_8).length;

    assertTrue(report.cells().size() > 1200);
    assertTrue(bytes / report.cells().size() < 1500, "bytes=" + bytes);
  }

  // ---- safety

  @Test
  void aNameCanBeAnything() throws Exception {
    String bad = Sample.HOSTILE;
    Cell cell = Sample.cell(PlatformKind.SEV, bad, List.of(bad, bad + "2"), Verdict.UNSAFE);
    Cell single = Sample.cell(PlatformKind.SEV, bad, List.of(bad), Verdict.UNSAFE);
    Cell three = Sample.cell(PlatformKind.SEV, bad, List.of(bad, "b", bad), Verdict.UNSAFE);
    Encounter encounter =
        new Encounter(
            Circumstance.STALE_KEY,
            bad,
            bad,
            PlatformKind.SEV,
            Verdict.UNSAFE,
            List.of(),
            List.of(bad));
    Report report = new Report(Settings.USUAL, List.of(single, cell, three), List.of(encounter));
    String text = page(report, id -> Sample.replay(id, true, Verdict.UNSAFE));

    String harmless =
        page(
            new Report(
                Settings.USUAL,
                List.of(
                    Sample.cell(PlatformKind.SEV, "p", List.of("p"), Verdict.UNSAFE),
                    Sample.cell(PlatformKind.SEV, "p", List.of("p", "q"), Verdict.UNSAFE),
                    Sample.cell(PlatformKind.SEV, "p", List.of("p", "b", "p"), Verdict.UNSAFE)),
                List.of(encounter)),
            id -> Sample.replay(id, true, Verdict.UNSAFE));
    Document page = parse(text);
    assertEquals(structure(parse(harmless)), structure(page));
    assertFalse(text.contains("<img"));
    assertEquals(2, text.split("</script>", -1).length - 1);
    String read = bad.replace('\ud800', '\ufffd');
    String key = "sev/" + read + "/" + read;
    Element place = page.getElementById(key);
    assertNotNull(place);
    String href = ((Element) place.getElementsByTagName("a").item(0)).getAttribute("href");
    assertEquals(key, URI.create(href).getFragment());
    JsonNode data = data(text);
    assertEquals(read, data.get("cells").get(key).get("policy").asString());
    assertTrue(
        unpacked(data, data.get("cells").get(key)).stream().anyMatch(s -> s.actor().equals(read)));
  }

  @Test
  void aHistoryIsNamedSoThatAShellObeysNothingInIt() {
    HistoryId plain =
        new HistoryId(PlatformKind.SEV, "core-hook", List.of("a", "b"), List.of(1, 2), true, 7);
    HistoryId bad =
        new HistoryId(PlatformKind.SEV, "a'; rm -r $HOME", List.of("d"), List.of(), false, 1);

    assertEquals("sev/core-hook/a+b/1.2/slots/seed=7", Look.quoted(plain));
    assertEquals("'sev/a'\\''; rm -r $HOME/d/-'", Look.quoted(bad));
  }

  @Test
  void whoeverRunsAHistoryAgainIsToldTheFilesToo() {
    Cell cell = Sample.cell(PlatformKind.SEV, "mine", List.of("d"), Verdict.UNSAFE);
    String page =
        HtmlReport.of(
            Sample.of(cell),
            id -> Sample.replay(id, true, Verdict.UNSAFE),
            "vlab ebs --with Mine.java");

    assertEquals(
        "vlab ebs --with Mine.java --replay sev/mine/d/0",
        data(page).get("cells").get("sev/mine/d").get("replay").asString());
  }

  @Test
  void nothingIsFetchedAndNoTextIsTakenForMarkup() throws Exception {
    String page = TEXT;
    String own = page.replace("http://www.w3.org/2000/svg", "").toLowerCase(Locale.ROOT);

    for (String door :
        List.of(
            "http:",
            "https:",
            "src=",
            "<link",
            "@import",
            "innerhtml",
            "outerhtml",
            "eval(",
            "insertadjacent",
            "document.write",
            "fetch(",
            "xmlhttp",
            "import(",
            "onclick")) {
      assertFalse(own.contains(door), door);
    }
    assertEquals(page.split("url\\(").length, page.split("url\\(#").length, "another document");
    for (Element link : elements(parse(page), "a")) {
      assertTrue(link.getAttribute("href").startsWith("#"), link.getAttribute("href"));
    }
  }

  @Test
  void theBrowserIsToldToRunThisScriptOnly() throws Exception {
    String page = TEXT;

    // As a browser sees it: all that is between the tags.
    int from = page.lastIndexOf("<script>") + "<script>".length();
    String script = page.substring(from, page.indexOf("</script>", from));
    byte[] digest =
        MessageDigest.getInstance("SHA-256").digest(script.getBytes(StandardCharsets.UTF_8));
    assertTrue(
        page.contains(
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-%s'\""
                .formatted(Base64.getEncoder().encodeToString(digest))));
  }

  // ---- the page as a file

  @Test
  void theSameReportGivesTheSameBytesWhateverTheLocale(@TempDir Path folder) throws Exception {
    Path first = folder.resolve("a.html");
    Path second = folder.resolve("b.html");
    Locale usual = Locale.getDefault();
    Files.writeString(first, page(Sample.whole(), Sample::replay));
    try {
      Locale.setDefault(Locale.forLanguageTag("ar-EG-u-nu-arab"));
      Files.writeString(second, page(Sample.whole(), Sample::replay));
    } finally {
      Locale.setDefault(usual);
    }

    assertEquals(-1, Files.mismatch(first, second));
  }

  @Test
  void namesAreUniqueOnThePage() throws Exception {
    Set<String> ids = new HashSet<>();

    for (Element element : elements(PAGE, "*")) {
      String id = element.getAttribute("id");
      assertTrue(id.isEmpty() || ids.add(id), id);
    }
  }

  @Test
  void aReportWithoutCellsIsAPageToo() throws Exception {
    Document page = parse(page(Sample.of(), Sample::replay));

    assertEquals(0, page.getElementsByTagName("table").getLength());
  }

  /** For whoever wants to look: a page as large as the real one, in the build's folder. */
  @Test
  void aSampleLiesInTheBuildFolder() throws Exception {
    Path sample = Path.of("target", "ebs-sample.html");

    Files.writeString(sample, TEXT);

    assertTrue(Files.size(sample) > 100_000);
  }

  // ---- a page as a program sees it

  private static String page(Report report, Function<HistoryId, Timeline> replay) {
    return HtmlReport.of(report, replay, "vlab ebs");
  }

  /** What the script makes of a cell's steps, with its own reading of the format. */
  private static List<Step> unpacked(JsonNode data, JsonNode cell) {
    List<Step> steps = new ArrayList<>();
    int number = 0;
    for (JsonNode at : cell.get("steps")) {
      if (at.asInt() < 0) {
        number -= at.asInt();
        continue;
      }
      JsonNode row = data.get("steps").get(at.asInt());
      String live = data.get("texts").get(row.get(4).asInt()).asString();
      List<Invariant> breaks = new ArrayList<>();
      for (int i = 0; i < data.get("invariants").size(); i++) {
        if ((row.get(6).asInt() >> i & 1) != 0) {
          breaks.add(Invariant.valueOf(data.get("invariants").get(i).get(0).asString()));
        }
      }
      String kind = data.get("kinds").get(row.get(2).asInt()).asString();
      steps.add(
          new Step(
              ++number,
              row.get(0).asInt(),
              data.get("texts").get(row.get(1).asInt()).asString(),
              Step.Kind.valueOf(kind.toUpperCase(Locale.ROOT).replace('-', '_')),
              data.get("texts").get(row.get(3).asInt()).asString(),
              live.isEmpty() ? List.of() : List.of(live.split(" ")),
              row.get(5).asInt(),
              breaks));
    }
    return steps;
  }

  private static JsonNode data(String page) {
    return JSON.readTree(parse(page).getElementById("histories").getTextContent());
  }

  /** Elements, with neither their texts nor their attributes. */
  private static String structure(Document page) {
    StringBuilder names = new StringBuilder();
    elements(page, "*").forEach(element -> names.append(element.getTagName()).append(' '));
    return names.toString();
  }

  private static List<Element> elements(Document page, String name) {
    return children(page.getDocumentElement(), name);
  }

  private static List<Element> children(Element parent, String name) {
    NodeList found = parent.getElementsByTagName(name);
    List<Element> all = new ArrayList<>();
    for (int i = 0; i < found.getLength(); i++) {
      all.add((Element) found.item(i));
    }
    return all;
  }

  /** Without a DTD only we know which attribute is an ID. */
  private static Document parse(String page) {
    try {
      Document document =
          DocumentBuilderFactory.newInstance()
              .newDocumentBuilder()
              .parse(new InputSource(new StringReader(page)));
      for (Element element : elements(document, "*")) {
        if (element.hasAttribute("id")) {
          element.setIdAttribute("id", true);
        }
      }
      return document;
    } catch (IOException | ParserConfigurationException | SAXException e) {
      throw new AssertionError(e);
    }
  }
}
