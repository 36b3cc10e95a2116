package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.posix.fixture.Requirements;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * {@code vlab iperf}: the system's iperf3 across the NIC. How fast is a command's to say
 * (integration-tests/speed/iperf/compare); here it is that everything arrives.
 */
class IperfTest {
  @AutoClose static final WarmVlab LAB = new WarmVlab();

  /**
   * Frames that may be counted by one and not yet by the next: a ring of 64 full of them, the one
   * that the driver has taken out, and a batch that is being counted.
   */
  private static final long ON_THE_WAY = 64 + 1 + 64;

  private static final int ETHERNET_HEADER_BYTES = 14;
  private static final int LONGEST_FRAME = 1514;
  private static final int TCP = 6;

  private static final long SEED = Long.getLong("virtiolab.seed", System.nanoTime());

  @BeforeEach
  void requireATapAndIperf3() {
    Requirements.assumeTap();
    Requirements.assumeProgram("iperf3", "iperf3");
    Requirements.assumeProgram("ip", "iproute2");
  }

  static Stream<Arguments> everyWayOnEveryPlatform() {
    return Stream.of(PlatformKind.values())
        .flatMap(
            platform ->
                Stream.of("", "--reverse", "--bidir", "--udp", "--udp --reverse")
                    .map(way -> Arguments.of(platform, way)));
  }

  @ParameterizedTest
  @MethodSource("everyWayOnEveryPlatform")
  void itCompletesAndEveryFrameIsAccountedFor(PlatformKind platform, String way) {
    boolean udp = way.contains("--udp");
    List<String> arguments =
        new ArrayList<>(List.of("iperf", "--json", "--platform", platform.label()));
    arguments.addAll(List.of(way.strip().split(" +")));
    arguments.remove("");
    arguments.addAll(udp ? List.of("--", "-b", "20M", "-n", "2M") : List.of("--time", "1"));
    JsonNode report = json(LAB.run(arguments.toArray(String[]::new)));

    JsonNode end = report.at("/iperf3/end");
    if (udp) {
      long received = end.at("/sum/packets").asLong() - end.at("/sum/lost_packets").asLong();
      assertTrue(received > 0, report::toString);
      String far = way.contains("--reverse") ? "/path/client" : "/path/server";
      assertTrue(report.at(far + "/to_host").asLong() >= received, report::toString);
    } else {
      // iperf3 ends with what is in two sockets and on the way, up to several MB.
      assertTrue(end.at("/sum_received/bytes").asLong() > 1 << 20, report::toString);
    }
    assertEquals(platform.label(), report.at("/traffic/platform").asString());
    assertNothingWasLostOnTheWay(report);
    LAB.assertNothingLeft();
  }

  /** Each count was made by somebody else: kernel's TAP, device, guest, and the other TAP. */
  private static void assertNothingWasLostOnTheWay(JsonNode report) {
    JsonNode client = report.at("/path/client");
    JsonNode server = report.at("/path/server");
    JsonNode relay = report.at("/path/relay");
    JsonNode frames = report.at("/traffic/frames");
    assertEquals(0, frames.at("/dropped").asLong(), report::toString);
    assertEquals(0, client.at("/dropped").asLong(), report::toString);
    assertEquals(0, server.at("/dropped").asLong(), report::toString);
    assertEquals(0, relay.at("/dropped").asLong(), report::toString);

    assertEquals(server.at("/to_host"), relay.at("/from_card"), report::toString);
    assertEquals(server.at("/from_host"), relay.at("/to_card"), report::toString);
    assertEquals(frames.at("/from_guest"), client.at("/to_host"), report::toString);
    // The device runs on while it is counted.
    assertNear(client.at("/from_host").asLong(), frames.at("/to_guest").asLong(), report);
    assertNear(frames.at("/to_guest").asLong(), relay.at("/from_card").asLong(), report);
    assertNear(relay.at("/to_card").asLong(), frames.at("/from_guest").asLong(), report);
  }

  private static void assertNear(long one, long other, JsonNode report) {
    assertTrue(Math.abs(one - other) <= ON_THE_WAY, () -> one + " and " + other + ": " + report);
  }

  @ParameterizedTest
  @EnumSource(PlatformKind.class)
  void everyByteArrivesAndComesBack(PlatformKind platform) {
    Requirements.assumeRoot();
    System.out.println("IperfTest -Dvirtiolab.seed=" + SEED);
    try (Vlab vlab = Vlab.asMyself()) {
      vlab.start("iperf", "--udp", "--time", "60", "--platform", platform.label());
      vlab.awaitOutput(" sec ");
      Process server = vlab.inNetworkOf("iperf3 -s", TcpEcho.class, "server");
      Process client =
          vlab.inNetworkOf("iperf3 -c", TcpEcho.class, "192.0.2.2", "8000001", Long.toString(SEED));

      assertEquals("all 8000001 bytes came back", Vlab.output(client));
      assertEquals("", Vlab.output(server));
      vlab.interrupt();
      vlab.await();
      vlab.assertNothingLeft();
    }
  }

  @Test
  void everyFrameCarriesItsChecksumsAndNoneIsLongerThanEthernetHas() throws Exception {
    try (Vlab vlab = Vlab.asMyself()) {
      Path pcap = vlab.out("frames.pcapng");
      json(vlab.run("iperf", "--json", "--bidir", "--pcap", pcap.toString(), "--", "-n", "2M"));

      int[] segments = new int[1];
      frames(
          Files.readAllBytes(pcap),
          frame -> {
            assertTrue(frame.remaining() <= LONGEST_FRAME, "length " + frame.remaining());
            if (frame.getShort(12) == 0x0800) {
              segments[0] += checkIpv4(frame);
            }
          });
      // Whichever way is the first to have its 2 MiB in segments of at most 1460 bytes ends both,
      // with some of it on the way.
      assertTrue(segments[0] > (1 << 20) / 1460, "TCP segments: " + segments[0]);
    }
  }

  /** Checks the sums of RFC 791 and RFC 9293; returns whether it was TCP. */
  private static int checkIpv4(ByteBuffer frame) {
    int at = ETHERNET_HEADER_BYTES;
    int headerBytes = (frame.get(at) & 0xf) * 4;
    int length = frame.getShort(at + 2) & 0xffff;
    assertEquals(0xffff, sum(frame, at, headerBytes, 0), "IPv4 header checksum");
    if (frame.get(at + 9) != TCP) {
      return 0;
    }
    int tcpBytes = length - headerBytes;
    int pseudoHeader = sum(frame, at + 12, 8, TCP + tcpBytes);
    assertEquals(
        0xffff,
        sum(frame, at + headerBytes, tcpBytes, pseudoHeader),
        "TCP checksum of " + tcpBytes);
    return 1;
  }

  /** The one's complement sum of RFC 1071. */
  private static int sum(ByteBuffer bytes, int from, int length, int start) {
    long sum = start;
    for (int i = 0; i < length; i++) {
      int octet = bytes.get(from + i) & 0xff;
      sum += i % 2 == 0 ? octet << 8 : octet;
    }
    while (sum > 0xffff) {
      sum = (sum & 0xffff) + (sum >>> 16);
    }
    return (int) sum;
  }

  @Test
  void aPersonSeesIperf3sLinesAndThenWhatCrossed() {
    try (Vlab vlab = Vlab.asMyself()) {
      Vlab.Ended ended = vlab.run("iperf", "--port", "5300", "--", "-n", "1M");

      assertEquals(0, ended.exitCode(), ended.err());
      assertEquals("", ended.err());
      assertTrue(ended.out().startsWith("Connecting to host 192.0.2.2, port 5300"), ended.out());
      assertTrue(ended.out().contains("iperf Done."), ended.out());
      assertTrue(
          ended.out().indexOf("iperf Done.") < ended.out().indexOf("--- client 192.0.2.1 - tap0"),
          ended.out());
      assertTrue(ended.out().contains("--- virtio-net 00:04.0, platform pc"), ended.out());
    }
  }

  @Test
  void anOrdinaryUserNeedsNoRights() {
    Requirements.assumeRoot();
    Requirements.assumeProgram("setpriv", "util-linux");
    try (Vlab vlab = Vlab.asOrdinaryUser("666")) {
      JsonNode report = json(vlab.run("iperf", "--json", "--platform", "sev", "--", "-n", "1M"));

      assertNothingWasLostOnTheWay(report);
      vlab.assertNothingLeft();
    }
  }

  // ---- what goes wrong

  @Test
  void withoutIperf3ItNamesThePackage() {
    Requirements.assumeRoot();
    try (Vlab vlab = Vlab.asMyself().without("iperf3")) {
      assertOneLine(2, "install the package iperf3", vlab.run("iperf"));
    }
  }

  @Test
  void anIperf3ThatIsTooOldIsNamedWithTheVersionThatIsNeeded() {
    try (Vlab vlab = Vlab.asMyself().with("iperf3", "echo 'iperf 3.1.3'\n")) {
      assertOneLine(2, "is version 3.1, and 3.7 or later is needed", vlab.run("iperf"));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"--nonsense", "-b", "-s"})
  void anOptionThatIperf3DoesNotTakeIsOneLine(String option) {
    assertOneLine(2, "vlab: iperf3: ", LAB.run("iperf", "--", option));
    LAB.assertNothingLeft();
  }

  @ParameterizedTest
  @ValueSource(strings = {"--json", "--bidir"})
  void aClientThatFailsSaysWhyInOneLine(String option) {
    // Nobody here has that address.
    Vlab.Ended ended = LAB.run("iperf", option, "--", "-B", "203.0.113.9");

    assertOneLine(1, "Cannot assign requested address", ended);
    LAB.assertNothingLeft();
  }

  @Test
  void aServerWhosePortIsTakenSaysSoInOneLine() {
    String iperf3 = Vlab.program("iperf3").toString();
    // Another server is first in the namespace; it ends with the one that finds the port taken.
    String another =
        "case $1 in -s)\n  : >listening\n"
            + "  setpriv --pdeathsig KILL IPERF3 -s --forceflush >listening & \n"
            + "  until grep -q listening listening; do sleep 0.01; done\n"
            + "esac\nexec IPERF3 \"$@\"\n";
    try (Vlab vlab = Vlab.asMyself().with("iperf3", another.replace("IPERF3", iperf3))) {
      assertOneLine(1, "Address already in use", vlab.run("iperf"));
      vlab.assertNoProcessAndNoInterfaceLeft();
    }
  }

  @Test
  void aServerThatDiesEndsTheRunWithOneLine() {
    Requirements.assumeRoot();
    try (Vlab vlab = Vlab.asMyself()) {
      vlab.start("iperf", "--time", "60");
      vlab.awaitOutput(" sec ");
      assertEquals(1, vlab.killChildren("iperf3 -s"));

      assertEquals(1, oneLine(vlab.await(), "the iperf3 server ended with exit code 137"));
      vlab.assertNothingLeft();
    }
  }

  @Test
  void aTapThatIsDeletedInMidRunEndsItWithOneLine() {
    Requirements.assumeRoot();
    try (Vlab vlab = Vlab.asMyself()) {
      vlab.start("iperf", "--time", "60");
      vlab.awaitOutput(" sec ");
      assertEquals(0, vlab.inItsNetwork("ip", "link", "delete", "tap0"));

      assertEquals(1, oneLine(vlab.await(), "vlab: the wire is gone"));
      vlab.assertNothingLeft();
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void ctrlCEndsItInOrderWithASummaryAndLeavesNothing(boolean json) {
    try (Vlab vlab = Vlab.asMyself()) {
      if (json) {
        vlab.start("iperf", "--json", "--time", "60", "--pcap", vlab.out("p").toString());
        vlab.awaitFile(vlab.out("p"), 1 << 20);
      } else {
        vlab.start("iperf", "--time", "60");
        vlab.awaitOutput(" sec ");
      }
      vlab.interrupt();
      Vlab.Ended ended = vlab.await();

      assertEquals(130, ended.exitCode(), ended.err());
      assertEquals("", ended.err());
      if (json) {
        JsonNode report = JsonMapper.shared().readTree(ended.out());
        assertTrue(report.at("/iperf3/end/sum_sent/bytes").asLong() > 0, ended.out());
        assertNothingWasLostOnTheWay(report);
      } else {
        assertTrue(ended.out().contains("sender"), ended.out());
        assertTrue(ended.out().contains("--- virtio-net 00:04.0"), ended.out());
      }
      vlab.assertNothingLeft();
    }
  }

  @Test
  void killedOutrightItStillLeavesNoProcessAndNoInterface() {
    try (Vlab vlab = Vlab.asMyself()) {
      vlab.start("iperf", "--time", "60");
      vlab.awaitOutput(" sec ");
      vlab.signal("KILL");
      vlab.await();

      vlab.assertNoProcessAndNoInterfaceLeft();
    }
  }

  private static void assertOneLine(int exitCode, String words, Vlab.Ended ended) {
    assertEquals(exitCode, oneLine(ended, words), ended.err());
    assertEquals(1, ended.err().lines().count(), ended.err());
    assertEquals("", ended.out());
  }

  /** Checks what it said last on standard error; returns the exit code. */
  private static int oneLine(Vlab.Ended ended, String words) {
    String last = ended.err().lines().reduce("", (a, b) -> b);
    assertTrue(last.startsWith("vlab: ") && last.contains(words), ended.err());
    return ended.exitCode();
  }

  /** Enhanced packet blocks (type 6) of a pcapng file. */
  static void frames(byte[] file, Consumer<ByteBuffer> each) {
    ByteBuffer blocks = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    while (blocks.hasRemaining()) {
      int start = blocks.position();
      int length = blocks.getInt(start + 4);
      if (blocks.getInt(start) == 6) {
        each.accept(
            blocks.slice(start + 28, blocks.getInt(start + 20)).order(ByteOrder.BIG_ENDIAN));
      }
      blocks.position(start + length);
    }
  }

  private static JsonNode json(Vlab.Ended ended) {
    assertEquals(0, ended.exitCode(), ended.err() + ended.out());
    assertEquals("", ended.err());
    return JsonMapper.shared().readTree(ended.out().getBytes(StandardCharsets.UTF_8));
  }
}
