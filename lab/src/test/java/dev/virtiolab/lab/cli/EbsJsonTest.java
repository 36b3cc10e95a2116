package dev.virtiolab.lab.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.ebs.Circumstance;
import dev.virtiolab.lab.ebs.Encounter;
import dev.virtiolab.lab.ebs.Invariant;
import dev.virtiolab.lab.ebs.Report;
import dev.virtiolab.lab.ebs.Settings;
import dev.virtiolab.lab.ebs.Verdict;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class EbsJsonTest {
  private static final Report REPORT =
      new Report(
          new Settings(7, true, true, Set.of()),
          List.of(
              EbsRecords.sameTrick(),
              EbsRecords.cell(
                  PlatformKind.SEV, "vtd-off", "allocates+no-handler", Verdict.NOT_APPLICABLE)),
          List.of(
              new Encounter(
                  Circumstance.STALE_KEY,
                  "requeue-callback",
                  "virtio-net",
                  PlatformKind.VTD,
                  Verdict.UNSAFE,
                  List.of(Invariant.I8),
                  List.of("a handler ran"))));

  @Test
  void isOneObjectWithSettingsCellsEncountersAndTotals() {
    JsonNode report = parse(EbsJson.of(REPORT));

    assertEquals(List.of("settings", "cells", "encounters", "totals"), names(report));
    assertEquals(
        JsonMapper.shared().readTree("{\"seed\":7,\"slots\":true,\"order\":\"edk2\"}"),
        report.get("settings"));
    assertEquals(
        JsonMapper.shared()
            .readTree(
                """
                {"cells":2,"orders":3,"orders_run":2,"orders_run_of_cut_cells":0,
                 "verdicts":{"safe":0,"unsafe":0,"order-dependent":1,"does-not-terminate":0,
                             "not-applicable":1}}
                """),
        report.get("totals"));
  }

  @Test
  void aCellHasTheOrdersThatWereRunAndWhatEachBreaks() {
    JsonNode cell = parse(EbsJson.of(REPORT)).get("cells").get(0);

    assertEquals(
        List.of(
            "policy",
            "driver",
            "platform",
            "verdict",
            "invariants",
            "orders",
            "orders_run",
            "histories"),
        names(cell));
    assertEquals("requeue-callback", cell.get("policy").asString());
    assertEquals("requeue-from-callback", cell.get("driver").asString());
    assertEquals("sev", cell.get("platform").asString());
    assertEquals("order-dependent", cell.get("verdict").asString());
    assertEquals("[\"I1\"]", cell.get("invariants").toString());
    assertEquals(2, cell.get("orders_run").asInt());
    JsonNode safe = cell.get("histories").get(0);
    JsonNode failing = cell.get("histories").get(1);
    assertEquals(List.of("id", "steps", "fails", "breaches", "cut"), names(safe));
    assertFalse(safe.get("fails").asBoolean());
    assertTrue(safe.get("cut").isNull());
    assertEquals(EbsRecords.id(1).toString(), failing.get("id").asString());
    assertEquals(9, failing.get("steps").asInt());
    assertTrue(failing.get("fails").asBoolean());
    JsonNode breach = failing.get("breaches").get(1);
    assertEquals(List.of("invariant", "step", "text"), names(breach));
    assertEquals("I2", breach.get("invariant").asString());
    assertEquals(6, breach.get("step").asInt());
    assertTrue(breach.get("text").asString().contains("0x7e35000"));
  }

  @Test
  void howManyOrdersThereAreIsNotSaidOfACellThatWasCut() {
    Report report =
        new Report(
            Settings.USUAL, List.of(EbsRecords.sameTrick(), EbsRecords.cutCell()), List.of());

    JsonNode json = parse(EbsJson.of(report));

    assertTrue(json.get("cells").get(1).get("orders").isNull());
    assertEquals(1, json.get("cells").get(1).get("orders_run").asInt());
    assertEquals(2, json.get("totals").get("orders").asInt());
    assertEquals(2, json.get("totals").get("orders_run").asInt());
    assertEquals(1, json.get("totals").get("orders_run_of_cut_cells").asInt());
  }

  @Test
  void driversOfOneMachineAreJoined() {
    assertEquals(
        "allocates+no-handler",
        parse(EbsJson.of(REPORT)).get("cells").get(1).get("driver").asString());
  }

  @Test
  void anEncounterSaysWhatWasSeen() {
    assertEquals(
        JsonMapper.shared()
            .readTree(
                """
                {"circumstance":"stale-key","policy":"requeue-callback","driver":"virtio-net",
                 "platform":"vtd","verdict":"unsafe","invariants":["I8"],"seen":["a handler ran"]}
                """),
        parse(EbsJson.of(REPORT)).get("encounters").get(0));
  }

  @Test
  void theSameReportGivesTheSameBytes() {
    assertEquals(EbsJson.of(REPORT), EbsJson.of(REPORT));
  }

  @Test
  void aReplayIsAHistoryItsStepsAndTheReason() {
    JsonNode replay = parse(EbsJson.of(EbsRecords.failingTimeline()));

    assertEquals(List.of("history", "timeline", "reason"), names(replay));
    assertEquals(EbsRecords.id(1).toString(), replay.get("history").get("id").asString());
    assertEquals(6, replay.get("timeline").size());
    assertEquals(
        JsonMapper.shared()
            .readTree(
                """
                {"number":5,"tpl":8,"actor":"00:04.0","kind":"dma",
                 "text":"writes a frame to 0x7e35000","live":["00:04.0"],"open_mappings":1,
                 "breaks":[]}
                """),
        replay.get("timeline").get(4));
    assertEquals("hand-off", replay.get("timeline").get(5).get("kind").asString());
  }

  private static JsonNode parse(String json) {
    return JsonMapper.shared().readTree(json);
  }

  private static List<String> names(JsonNode object) {
    return List.copyOf(object.propertyNames());
  }
}
