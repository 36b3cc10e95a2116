package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.mistake.Mistake;
import dev.virtiolab.iommu.PlatformKind;
import java.util.ArrayList;
import java.util.List;
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
