package dev.virtiolab.integration;

import static java.util.regex.Pattern.DOTALL;
import static java.util.regex.Pattern.MULTILINE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.mistake.Mistake;
import dev.virtiolab.iommu.PlatformKind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code vlab dma-check} as a process. */
class DmaCheckCommandTest {

  @Test
  void printsTheTableThenTheVerdictsThenTheEvidence() {
    Vlab.Ended ended = run("dma-check");

    List<String> lines = ended.out().lines().toList();
    assertEquals(PlatformKind.labels(), words(lines.getFirst()));
    for (int row = 0; row < Mistake.values().length; row++) {
      List<String> words = words(lines.get(1 + row));
      assertEquals(Mistake.labels().get(row), words.getFirst());
      assertEquals(1 + PlatformKind.values().length, words.size(), lines.get(1 + row));
    }
    String text = ended.out();
    for (String verdict : List.of("refused  ", "fault  ", "garbled  ", "unnoticed  ")) {
      assertTrue(text.contains("\n" + verdict), "explains " + verdict + ": " + text);
    }
    assertTrue(text.contains("\nearly-unmap on pc (unmapped too early): unnoticed\n  0."), text);
  }

  /** Of evidence the page shows examples: what they say must be so, whatever the addresses. */
  @Test
  void printsWhatItsPageShows() throws IOException {
    String page =
        Files.readString(Path.of("").toAbsolutePath().getParent().resolve("docs/dma-check.md"));
    String printed = withoutNumbers(run("dma-check").out());

    Matcher block = Pattern.compile("^```\\n(.*?)^```", MULTILINE | DOTALL).matcher(page);
    int paragraphs = 0;
    while (block.find()) {
      for (String paragraph : block.group(1).split("\n\n")) {
        String shown = withoutNumbers(paragraph).stripTrailing() + "\n";
        assertTrue(printed.contains(shown), "not printed: " + paragraph);
        paragraphs++;
      }
    }
    assertEquals(3, paragraphs, "the table and two examples");
  }

  /** Addresses, bytes of DRAM and times as #; counts stay. */
  private static String withoutNumbers(String text) {
    return text.replaceAll("0x[0-9a-f]{4,}|holds [0-9a-f]+|\\d+\\.\\d{3} ms", "#");
  }

  @Test
  void oneMistakeOnOnePlatformIsOneCell() {
    Vlab.Ended ended = run("dma-check", "--mistake", "short-map", "--platform", "pc");

    assertEquals(List.of("pc"), words(ended.out().lines().toList().getFirst()));
    assertEquals(List.of("short-map", "unnoticed"), words(ended.out().lines().toList().get(1)));
  }

  @Test
  void jsonIsOneObjectWithACellForEach() {
    Vlab.Ended ended = run("dma-check", "--json", "--platform", "pc", "--seed", "5");

    JsonNode report = JsonMapper.shared().readTree(ended.out());
    assertEquals(5, report.get("seed").asLong());
    List<String> mistakes = new ArrayList<>();
    for (JsonNode cell : report.get("cells")) {
      assertEquals("pc", cell.get("platform").asString());
      mistakes.add(cell.get("mistake").asString());
      if (cell.get("mistake").asString().equals("early-unmap")) {
        assertEquals("unnoticed", cell.get("verdict").asString());
        JsonNode stray = cell.get("evidence").get(0);
        assertEquals("stray", stray.get("sign").asString());
        assertTrue(stray.get("at_nanos").asLong() > 0);
        assertTrue(stray.get("times").asLong() > 1);
        assertTrue(stray.get("address").asString().startsWith("0x"));
        assertTrue(stray.get("page").asString().endsWith("000"));
        assertTrue(stray.get("text").asString().contains("unmapped at"));
      }
    }
    assertEquals(Mistake.labels(), mistakes);
  }

  @Test
  void theSameSeedPrintsTheSameBytesAndAnotherSeedOthers() {
    String once = run("dma-check", "--seed", "3", "--json").out();

    assertEquals(once, run("dma-check", "--seed", "3", "--json").out());
    assertTrue(!once.equals(run("dma-check", "--seed", "4", "--json").out()), "the seed is used");
  }

  private static Vlab.Ended run(String... arguments) {
    try (Vlab vlab = Vlab.asMyself()) {
      Vlab.Ended ended = vlab.run(arguments);
      assertEquals(0, ended.exitCode(), ended.err());
      assertEquals("", ended.err(), "what the device says is in the evidence");
      vlab.assertNothingLeft();
      return ended;
    }
  }

  private static List<String> words(String line) {
    return List.of(line.strip().split("\\s+"));
  }
}
