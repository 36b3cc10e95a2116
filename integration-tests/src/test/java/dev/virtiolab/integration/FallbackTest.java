package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.nio.file.Files;
import java.util.HexFormat;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * {@code vlab ping} where no TAP or no network namespace is allowed, or a program of the host's is
 * missing: a second guest takes the host's part, and it is said once.
 */
class FallbackTest {
  private static final String CLOSED = "000";

  @BeforeEach
  void requireRootToTakeRightsAway() {
    Requirements.assumeRoot();
    Requirements.assumeProgram("setpriv", "util-linux");
    Requirements.assumeProgram("unshare", "util-linux");
  }

  @Test
  void aSecondGuestPingsTheFirstAndOneLineSaysWhy() {
    Requirements.assumeProgram("ip", "iproute2");
    try (Vlab vlab = Vlab.asOrdinaryUser(CLOSED)) {
      Vlab.Ended ended = vlab.run("ping", "-c", "2");

      assertEquals(0, ended.exitCode(), ended.err());
      assertEquals(1, ended.err().lines().count(), ended.err());
      assertTrue(ended.err().startsWith("vlab: "), ended.err());
      assertTrue(ended.err().contains("sudo chmod 666 /dev/net/tun"), ended.err());
      assertTrue(ended.err().contains("a second guest"), ended.err());
      assertTrue(ended.out().startsWith("PING 192.0.2.2 from the second guest"), ended.out());
      assertTrue(ended.out().contains("2 packets transmitted, 2 received"), ended.out());
      vlab.assertNothingLeft();
    }
  }

  @ParameterizedTest
  @CsvSource({"pc, host", "vtd, guest", "noncoherent, guest", "sev, host", "sev, guest"})
  void theFirstGuestIsOnThePlatformThatWasAskedForAndJsonNamesTheWire(
      String platform, String from) {
    Requirements.assumeProgram("ip", "iproute2");
    try (Vlab vlab = Vlab.asOrdinaryUser(CLOSED)) {
      Vlab.Ended ended =
          vlab.run(
              "ping",
              "--json",
              "--flood",
              "-c",
              "20",
              "-s",
              "4000",
              "--platform",
              platform,
              "--from",
              from,
              "--slot",
              "root-port",
              "--mtu",
              "1400");

      JsonNode report = passed(ended);
      assertEquals("stream", report.at("/wire").asString());
      assertTrue(report.at("/no_tap_reason").asString().contains("/dev/net/tun"));
      assertEquals(from, report.at("/from").asString());
      assertEquals(20, report.at("/ping/received").asInt());
      assertEquals(platform, report.at("/traffic/platform").asString());
      assertEquals("01:00.0", report.at("/traffic/slot").asString());
      // Three fragments of each datagram, at that MTU.
      assertTrue(report.at("/traffic/frames/to_guest").asInt() >= 60, ended.out());
      assertEquals(0, report.at("/traffic/frames/dropped").asInt());
      vlab.assertNothingLeft();
    }
  }

  @Test
  void rootWhoMayMakeNoNamespaceIsServedAsWell() {
    Requirements.assumeProgram("ip", "iproute2");
    try (Vlab vlab = Vlab.asRootWithoutNamespaces()) {
      Vlab.Ended ended = vlab.run("ping", "--json", "--flood", "-c", "5");

      assertTrue(
          passed(ended).at("/no_tap_reason").asString().contains("CAP_SYS_ADMIN"), ended.out());
      vlab.assertNothingLeft();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"ip", "ping", "unshare"})
  void aMissingProgramOfTheHostsIsNamedAndNotNeeded(String program) {
    Requirements.assumeProgram(program, program);
    try (Vlab vlab = Vlab.asMyself().without(program)) {
      Vlab.Ended ended = vlab.run("ping", "--json", "--flood", "-c", "5");

      assertTrue(
          passed(ended).at("/no_tap_reason").asString().startsWith(program + " is missing"),
          ended.out());
      vlab.assertNothingLeft();
    }
  }

  @Test
  void theGuestNeedsNoPingOfTheHosts() {
    Requirements.assumeTap();
    Requirements.assumeProgram("ip", "iproute2");
    Requirements.assumeProgram("ping", "iputils-ping");
    try (Vlab vlab = Vlab.asMyself().without("ping")) {
      Vlab.Ended ended = vlab.run("ping", "--json", "--flood", "-c", "5", "--from", "guest");

      assertEquals("", ended.err());
      JsonNode report = JsonMapper.shared().readTree(ended.out());
      assertEquals("tap", report.at("/wire").asString());
      assertTrue(report.at("/no_tap_reason").isNull(), ended.out());
    }
  }

  @Test
  void optionsOfTheHostsPingAreRefusedWithTheReason() {
    try (Vlab vlab = Vlab.asOrdinaryUser(CLOSED)) {
      Vlab.Ended ended = vlab.run("ping", "--", "-i", "0.01");

      assertEquals(2, ended.exitCode(), ended.err());
      assertEquals(1, ended.err().lines().count(), ended.err());
      assertTrue(ended.err().contains("-i 0.01"), ended.err());
      assertTrue(ended.err().contains("/dev/net/tun"), ended.err());
      assertEquals("", ended.out());
      vlab.assertNothingLeft();
    }
  }

  @Test
  void theTwoHaveAddressesOfTheirOwnWhateverTheFirstIsGiven() throws IOException {
    try (Vlab vlab = Vlab.asOrdinaryUser(CLOSED)) {
      // That which the second would have.
      Vlab.Ended ended =
          vlab.run(
              "ping",
              "--json",
              "--flood",
              "-c",
              "5",
              "--mac",
              "52:54:00:12:34:57",
              "--pcap",
              vlab.out("pair.pcapng").toString(),
              "--trace",
              vlab.out("pair.json").toString());

      passed(ended);
      String capture = HexFormat.of().formatHex(Files.readAllBytes(vlab.out("pair.pcapng")));
      assertTrue(capture.contains("525400123457" + "525400123456" + "0800"), "to the first");
      assertTrue(capture.contains("525400123456" + "525400123457" + "0800"), "from the first");
      String timeline = Files.readString(vlab.out("pair.json"));
      JsonMapper.shared().readTree(timeline);
      assertTrue(timeline.contains("52:54:00:12:34:56"), "the second's tracks");
      assertTrue(timeline.contains("52:54:00:12:34:57"), "the first's tracks");
      vlab.assertNothingLeft();
    }
  }

  @Test
  void ctrlCSumsUpAndLeavesNothing() {
    try (Vlab vlab = Vlab.asOrdinaryUser(CLOSED)) {
      vlab.start("ping", "-c", "1000");
      vlab.awaitOutput("icmp_seq=1 ");
      vlab.interrupt();
      Vlab.Ended ended = vlab.await();

      assertTrue(ended.out().contains("packets transmitted"), ended.out());
      assertEquals(1, ended.err().lines().count(), ended.err());
      vlab.assertNothingLeft();
    }
  }

  @Test
  void aKilledRunLeavesNoSocketBehind() throws IOException {
    try (Vlab vlab = Vlab.asOrdinaryUser(CLOSED)) {
      vlab.start("ping", "-c", "1000");
      vlab.awaitOutput("icmp_seq=1 ");
      vlab.signal("KILL");
      vlab.await();

      assertFalse(vlab.temporaryFiles().stream().anyMatch(file -> file.endsWith("wire")));
      vlab.assertNoProcessAndNoInterfaceLeft();
    }
  }

  private static JsonNode passed(Vlab.Ended ended) {
    assertEquals(0, ended.exitCode(), ended.err());
    assertEquals(1, ended.err().lines().count(), ended.err());
    return JsonMapper.shared().readTree(ended.out());
  }
}
