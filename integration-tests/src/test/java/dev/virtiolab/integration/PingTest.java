package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code vlab ping}: the system's ping, the kernel's TAP, and a guest behind the NIC. */
class PingTest {
  @AutoClose static final WarmVlab LAB = new WarmVlab();

  @BeforeEach
  void requireATapAndPing() {
    Requirements.assumeTap();
    Requirements.assumeProgram("ping", "iputils-ping");
    Requirements.assumeProgram("ip", "iproute2");
  }

  @ParameterizedTest
  @CsvSource({
    "pc,  root-bus,  ovmf",
    "pc,  root-port, ovmf",
    "noncoherent, root-bus,  ovmf",
    "noncoherent, root-port, ovmf",
    "sev, root-bus,  ovmf",
    "sev, root-port, ovmf",
    "sev, root-bus,  none",
    "vtd, root-bus,  ovmf",
    "vtd, root-port, ovmf",
  })
  void everyRequestIsAnswered(String platform, String slot, String slots) {
    JsonNode report =
        json(
            LAB.run(
                "ping",
                "--json",
                "--count",
                "5",
                "--platform",
                platform,
                "--slot",
                slot,
                "--bounce-slots",
                slots,
                "--",
                // ping waits for the last reply as long, and at a warm lab not much longer.
                "-i",
                "0.2"));

    assertEquals(5, report.at("/ping/sent").asInt());
    assertEquals(5, report.at("/ping/received").asInt());
    JsonNode traffic = report.at("/traffic");
    assertEquals(platform, traffic.at("/platform").asString());
    assertEquals(slot.equals("root-bus") ? "00:04.0" : "01:00.0", traffic.at("/slot").asString());
    // Five requests and an ARP exchange, in either direction.
    assertTrue(traffic.at("/frames/to_guest").asLong() >= 6, report::toString);
    assertTrue(traffic.at("/frames/from_guest").asLong() >= 6, report::toString);
    assertEquals(0, traffic.at("/frames/dropped").asLong(), report::toString);
    boolean encrypted = platform.equals("sev");
    assertEquals(encrypted, traffic.at("/pages/shared").asLong() > 0, report::toString);
    boolean translated = platform.equals("vtd");
    assertEquals(
        encrypted || translated, traffic.at("/dma/bytes_bounced").asLong() > 0, report::toString);
    assertEquals(
        translated, traffic.at("/remapping/invalidations").asLong(0) > 0, report::toString);
    assertEquals(0, traffic.at("/remapping/faults").asLong(0), report::toString);
    boolean cached = platform.equals("noncoherent");
    // The frames that the guest sent, at least, and nothing of its own was thrown away.
    assertEquals(cached, traffic.at("/cache/written_back").asLong(0) >= 6, report::toString);
    assertEquals(0, traffic.at("/cache/dirty_lost").asLong(0), report::toString);
    assertEquals(
        encrypted, traffic.at("/launch/measure").asString("").length() == 64, report::toString);
    LAB.assertNothingLeft();
  }

  /** By edk2's driver for the legacy interface, which takes transitional devices, too. */
  @ParameterizedTest
  @ValueSource(strings = {"transitional", "legacy"})
  void everyRequestIsAnsweredThroughTheLegacyInterface(String virtio) {
    JsonNode report =
        json(LAB.run("ping", "--json", "--flood", "--count", "500", "--virtio", virtio));
    assertEquals(500, report.at("/ping/received").asInt(), report::toString);
    JsonNode traffic = report.at("/traffic");
    // Nothing of VERSION_1, and nothing that a legacy driver maps.
    assertEquals(2, traffic.at("/features").size(), report::toString);
    assertEquals(0, traffic.at("/dma/maps").asLong(), report::toString);
    assertEquals(0, traffic.at("/frames/dropped").asLong(), report::toString);
    LAB.assertNothingLeft();
    Vlab.Ended ended = LAB.run("ping", "--count", "2", "--virtio", virtio);
    assertEquals(0, ended.exitCode(), ended.err());
    assertTrue(ended.out().contains(" 0% packet loss"), ended.out());
    assertTrue(ended.out().contains("VIRTIO_NET_F_MAC VIRTIO_NET_F_STATUS"), ended.out());
  }

  @ParameterizedTest
  @ValueSource(strings = {"vtd", "noncoherent", "sev"})
  void theLegacyInterfaceIsRefusedWhereItWouldGoAroundThePlatform(String platform) {
    Vlab.Ended ended = LAB.run("ping", "--virtio", "legacy", "--platform", platform);
    assertEquals(2, ended.exitCode(), ended.err());
    assertEquals(1, ended.err().lines().count(), ended.err());
    assertTrue(ended.err().contains("needs --platform pc"), ended.err());
  }

  @ParameterizedTest
  @ValueSource(strings = {"pc", "vtd", "noncoherent", "sev"})
  void aFloodLosesNothing(String platform) {
    JsonNode report =
        json(LAB.run("ping", "--json", "--flood", "--count", "2000", "--platform", platform));

    assertEquals(2000, report.at("/ping/received").asInt(), report::toString);
    LAB.assertNothingLeft();
  }

  @ParameterizedTest
  @CsvSource({
    "pc, host",
    "pc, guest",
    "vtd, host",
    "vtd, guest",
    "noncoherent, host",
    "noncoherent, guest",
    "sev, host",
    "sev, guest"
  })
  void theLargestDatagramIsCutAndPutTogetherBothWays(String platform, String from) {
    List<String> command = new ArrayList<>(List.of("ping", "--json", "--count", "2"));
    command.addAll(List.of("--size", "65507", "--platform", platform, "--from", from));
    // A kernel keeps one such datagram at most while it asks for the guest's address.
    command.addAll(from.equals("guest") ? List.of("--flood") : List.of("--", "-i", "0.5"));
    JsonNode report = json(LAB.run(command.toArray(String[]::new)));

    assertEquals(2, report.at("/ping/received").asInt(), report::toString);
    // 65515 bytes of ICMP in pieces of 1480.
    assertTrue(report.at("/traffic/frames/to_guest").asLong() >= 2 * 45, report::toString);
    assertTrue(report.at("/traffic/frames/from_guest").asLong() >= 2 * 45, report::toString);
    LAB.assertNothingLeft();
  }

  @ParameterizedTest
  @ValueSource(strings = {"pc", "sev", "vtd"})
  void theGuestPingsTheHost(String platform) {
    JsonNode report =
        json(
            LAB.run(
                "ping",
                "--json",
                "--from",
                "guest",
                "--flood",
                "--count",
                "200",
                "--platform",
                platform));

    assertEquals(200, report.at("/ping/received").asInt(), report::toString);
    LAB.assertNothingLeft();
  }

  @Test
  void anOrdinaryUserNeedsNoRights() {
    Requirements.assumeRoot();
    Requirements.assumeProgram("setpriv", "util-linux");
    try (Vlab vlab = Vlab.asOrdinaryUser("666")) {
      JsonNode report = json(vlab.run("ping", "--json", "--count", "2", "--platform", "sev"));

      assertEquals(2, report.at("/ping/received").asInt(), report::toString);
      vlab.assertNothingLeft();
    }
  }

  @Test
  void aCaptureHoldsEveryFrame() throws Exception {
    try (Vlab vlab = Vlab.asMyself()) {
      JsonNode report =
          json(vlab.run("ping", "--json", "--count", "1", "--pcap", vlab.out("p").toString()));

      long frames =
          report.at("/traffic/frames/to_guest").asLong()
              + report.at("/traffic/frames/from_guest").asLong();
      assertTrue(packets(Files.readAllBytes(vlab.out("p"))) >= frames, report::toString);
      vlab.assertNothingLeft();
    }
  }

  @Test
  void theSummarySaysWhatCrossed() {
    try (Vlab vlab = Vlab.asMyself()) {
      Vlab.Ended ended = vlab.run("ping", "--count", "1");

      assertEquals(0, ended.exitCode(), ended.err());
      assertTrue(ended.out().contains("1 packets transmitted, 1 received, 0% packet loss"));
      assertTrue(ended.out().contains("--- virtio-net 00:04.0, platform pc"), ended.out());
      assertEquals("", ended.err());
    }
  }

  @Test
  void theSameSeedLeadsToTheSameRun() {
    try (Vlab first = Vlab.asMyself();
        Vlab second = Vlab.asMyself()) {
      String[] arguments = {"dump", "--json", "--at", "boot", "--platform", "sev", "--seed", "7"};

      assertEquals(first.run(arguments).out(), second.run(arguments).out());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"host", "guest"})
  void ctrlCEndsItInOrderWithASummaryAndLeavesNothing(String from) {
    try (Vlab vlab = Vlab.asMyself()) {
      vlab.start("ping", "--count", "1000", "--from", from);
      vlab.awaitOutput("icmp_seq=1");
      vlab.interrupt();
      Vlab.Ended ended = vlab.await();

      assertEquals(130, ended.exitCode(), ended.err());
      assertEquals("", ended.err());
      assertTrue(ended.out().contains("% packet loss"), ended.out());
      assertTrue(ended.out().contains("--- virtio-net 00:04.0"), ended.out());
      vlab.assertNothingLeft();
    }
  }

  @ParameterizedTest
  @CsvSource({"ping, icmp_seq=1", "up, Ctrl-C"})
  void aTapThatIsDeletedInMidRunEndsItWithOneLine(String command, String running) throws Exception {
    Requirements.assumeRoot();
    try (Vlab vlab = Vlab.asMyself()) {
      vlab.start(command);
      vlab.awaitOutput(running);
      assertEquals(0, vlab.inItsNetwork("ip", "link", "delete", "tap0"));
      Vlab.Ended ended = vlab.await();

      assertEquals(1, ended.exitCode(), ended.err());
      assertTrue(ended.err().contains("vlab: the wire is gone"), ended.err());
      assertFalse(ended.err().contains("Exception"), ended.err());
      vlab.assertNothingLeft();
    }
  }

  @Test
  void killedOutrightItStillLeavesNoProcessAndNoInterface() {
    try (Vlab vlab = Vlab.asMyself()) {
      vlab.start("ping", "--count", "1000");
      vlab.awaitOutput("icmp_seq=1");
      vlab.signal("KILL");
      vlab.await();

      vlab.assertNoProcessAndNoInterfaceLeft();
    }
  }

  @Test
  void upSaysWhereTheGuestIsAndEndsWithCtrlC() throws Exception {
    Requirements.assumeRoot();
    try (Vlab vlab = Vlab.asMyself()) {
      vlab.start("up", "--json");
      vlab.awaitOutput("}");
      assertEquals(0, vlab.inItsNetwork("ping", "-c", "1", "192.0.2.2"));
      vlab.interrupt();
      vlab.await();
      vlab.assertNothingLeft();
    }
  }

  /** Enhanced packet blocks (type 6) of a pcapng file: type, length, body, length again. */
  private static long packets(byte[] file) {
    ByteBuffer blocks = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    long packets = 0;
    while (blocks.hasRemaining()) {
      int start = blocks.position();
      int type = blocks.getInt(start);
      int length = blocks.getInt(start + 4);
      assertEquals(length, blocks.getInt(start + length - 4), "block at " + start);
      packets += type == 6 ? 1 : 0;
      blocks.position(start + length);
    }
    return packets;
  }

  private static JsonNode json(Vlab.Ended ended) {
    assertEquals(0, ended.exitCode(), ended.err() + ended.out());
    return JsonMapper.shared().readTree(ended.out());
  }
}
