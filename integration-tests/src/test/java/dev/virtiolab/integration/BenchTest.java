package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.iommu.PlatformKind;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code vlab bench}, as a process of its own. */
class BenchTest {
  @AutoClose static final WarmVlab LAB = new WarmVlab();

  private static final String[] SHORT = {
    "bench", "pps", "--size", "256", "--runs", "2", "--seconds", "0.05"
  };

  @Test
  void oneObjectHoldsEveryRowAndTheMachine() {
    JsonNode report = json("--json", "--platform", "sev", "--direction", "both", "--threads", "1");

    assertEquals("pps", report.at("/suite").asString());
    assertTrue(report.at("/complete").asBoolean());
    assertEquals(2, report.at("/runs").asInt());
    assertEquals(0.05, report.at("/seconds_per_run").asDouble());
    for (String fact : List.of("cpu", "kernel", "java", "governor", "load_average", "revision")) {
      assertTrue(report.at("/machine/" + fact).isString(), fact);
    }
    assertTrue(report.at("/machine/cores").asInt() > 0);
    assertEquals(2, report.at("/results").size());
    assertEquals("ovmf", report.at("/results/0/bounce_slots").asString());
    assertEquals("ring", report.at("/results/1/bounce_slots").asString());
    for (JsonNode row : report.at("/results")) {
      assertEquals("sev", row.at("/platform").asString());
      assertEquals("both", row.at("/direction").asString());
      assertEquals(1, row.at("/threads").asInt());
      assertEquals(256, row.at("/frame_bytes").asInt());
      JsonNode rate = row.at("/frames_per_second");
      long min = rate.at("/min").asLong();
      long median = rate.at("/median").asLong();
      assertTrue(0 < min && min <= median && median <= rate.at("/max").asLong(), row::toString);
      assertEquals(
          median * 256 * 8 / 1e9, row.at("/gigabits_per_second").asDouble(), 0.001, row::toString);
      assertTrue(row.at("/bytes_allocated_per_frame").isNumber(), row::toString);
      assertTrue(row.at("/frames").asLong() > 0, row::toString);
    }
  }

  @Test
  void everyPlatformIsMeasuredAndSevWithTwoTables() {
    JsonNode report = json("--json", "--direction", "tx", "--threads", "2");

    List<String> platforms =
        report.at("/results").valueStream().map(row -> row.at("/platform").asString()).toList();
    List<String> all = new ArrayList<>(PlatformKind.labels());
    assertTrue(all.remove("sev"));
    all.addAll(List.of("sev", "sev"));
    assertEquals(all.stream().sorted().toList(), platforms.stream().sorted().toList());
  }

  @Test
  void aPersonGetsATableAndAPageAndNoProgressInAPipe() throws Exception {
    try (Vlab vlab = Vlab.asMyself()) {
      String page = vlab.out("report.html").toString();
      Vlab.Ended ended =
          vlab.run(with("--platform=pc", "--direction=rx", "--threads=1", "--html", page));

      assertEquals(0, ended.exitCode(), ended.err());
      assertEquals("", ended.err());
      assertTrue(ended.out().lines().anyMatch(line -> line.startsWith("pc ")), ended.out());
      assertTrue(
          Files.readString(vlab.out("report.html")).contains("256-byte frames a second</h1>"));
      vlab.assertNothingLeft();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "bench nosuch",
        "bench pps --platform nosuch",
        "bench pps --size 21",
        "bench pps --size 1515",
        "bench pps --size many",
        "bench pps --direction up",
        "bench pps --threads 3",
        "bench pps --runs 0",
        "bench pps --seconds 0",
        "bench pps --seconds 61",
        "bench pps --bounce-slots many",
        "bench pps --html /nosuch/folder/page.html",
        "bench parts",
      })
  void whatCannotBeMeasuredIsOneLineAndExitCodeTwo(String commandLine) {
    Vlab.Ended ended = LAB.run(commandLine.split(" "));

    assertEquals(2, ended.exitCode(), ended.err());
    assertEquals("", ended.out());
    assertEquals(1, ended.err().lines().count(), ended.err());
    assertTrue(ended.err().startsWith("vlab: "), ended.err());
  }

  @Test
  void ctrlCLeavesNoProcessAndKeepsWhatWasMeasured() {
    try (Vlab vlab = Vlab.asMyself()) {
      vlab.start("bench", "pps", "--platform=pc", "--seconds=0.05", "--runs=1");
      vlab.awaitOutput("\npc ");
      vlab.interrupt();
      Vlab.Ended ended = vlab.await();

      assertEquals(130, ended.exitCode(), ended.err());
      assertEquals("", ended.err());
      vlab.assertNothingLeft();
    }
  }

  @Test
  void killedOutrightItLeavesNoWorkerBehind() {
    try (Vlab vlab = Vlab.asMyself()) {
      // Its first row is there after two seconds; it would go on for longer than we look.
      vlab.start("bench", "pps", "--platform=pc", "--direction=tx", "--seconds=0.05", "--runs=50");
      vlab.awaitOutput("\npc ");
      vlab.signal("KILL");
      vlab.await();

      vlab.assertNoProcessAndNoInterfaceLeft();
    }
  }

  private static String[] with(String... arguments) {
    String[] all = Arrays.copyOf(SHORT, SHORT.length + arguments.length);
    System.arraycopy(arguments, 0, all, SHORT.length, arguments.length);
    return all;
  }

  private static JsonNode json(String... arguments) {
    try (Vlab vlab = Vlab.asMyself()) {
      Vlab.Ended ended = vlab.run(with(arguments));
      assertEquals(0, ended.exitCode(), ended.err());
      assertEquals("", ended.err());
      return JsonMapper.shared().readTree(ended.out());
    }
  }
}
