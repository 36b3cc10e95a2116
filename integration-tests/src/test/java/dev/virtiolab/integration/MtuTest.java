package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.posix.fixture.Requirements;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code --mtu}: jumbo frames, small ones, and VLAN tags, with the kernel at the far end. */
class MtuTest {
  @AutoClose static final WarmVlab LAB = new WarmVlab();

  /** Of IPv4 and ICMP. */
  private static final int HEADERS = 20 + 8;

  @BeforeEach
  void requireATapAndPing() {
    Requirements.assumeTap();
    Requirements.assumeProgram("ping", "iputils-ping");
    Requirements.assumeProgram("ip", "iproute2");
  }

  static Stream<Arguments> everyPlatformAtTheEdges() {
    return Stream.of(PlatformKind.values())
        .flatMap(platform -> Stream.of(9000, 1280).map(mtu -> Arguments.of(platform.label(), mtu)));
  }

  @ParameterizedTest
  @MethodSource("everyPlatformAtTheEdges")
  @CsvSource({"pc, 68", "pc, 1501", "pc, 9216"})
  void whatFillsTheMtuCrossesInOnePieceBothWays(String platform, int mtu) {
    List<String> command =
        new ArrayList<>(List.of("ping", "--json", "--platform", platform, "--count", "5"));
    command.addAll(List.of("--mtu", Integer.toString(mtu)));
    command.addAll(List.of("--size", Integer.toString(mtu - HEADERS)));
    command.addAll(List.of("--", "-i", "0.2", "-M", "do"));
    JsonNode report = json(LAB.run(command.toArray(String[]::new)));

    assertEquals(5, report.at("/ping/received").asInt(), report::toString);
    JsonNode frames = report.at("/traffic/frames");
    assertEquals(0, frames.at("/dropped").asLong(), report::toString);
    // One frame to a request and one to a reply; ARP takes one or two.
    for (String way : List.of("/to_guest", "/from_guest")) {
      assertTrue(frames.at(way).asLong() <= 5 + 2, report::toString);
    }
    LAB.assertNothingLeft();
  }

  /**
   * What is larger is cut by who sends it, to the MTU. A kernel lets its own answers take so much
   * memory, and no more than some hundred fragments.
   */
  @ParameterizedTest
  @CsvSource({"9000, 65507, 8", "1280, 65507, 53", "68, 5000, 105"})
  void aLargeDatagramIsCutToTheMtu(int mtu, int size, int frames) {
    JsonNode report =
        json(
            LAB.run(
                "ping",
                "--json",
                "--from",
                "guest",
                "--count",
                "1",
                "--size",
                Integer.toString(size),
                "--mtu",
                Integer.toString(mtu)));
    assertEquals(1, report.at("/ping/received").asInt(), report::toString);
    long sent = report.at("/traffic/frames/from_guest").asLong();
    assertTrue(sent >= frames && sent <= frames + 2, report::toString);
    LAB.assertNothingLeft();
  }

  @Test
  void theHostsInterfaceGetsTheMtu() {
    try (Vlab vlab = Vlab.asMyself()) {
      vlab.start("up", "--mtu", "9000", "--backend", "tap:t0");
      vlab.awaitOutput("Ctrl-C ends it.");
      Vlab.Ended link = vlab.inNetworkOf(vlab.pid(), "ip", "link", "show", "dev", "t0");
      assertTrue(link.out().contains("mtu 9000"), link::out);
      vlab.interrupt();
      assertEquals("", vlab.await().err());
      vlab.assertNothingLeft();
    }
  }

  /**
   * From the client's TAP to the server's and back: NIC, driver, relay. A tagged frame of the full
   * MTU is 4 bytes longer than any other.
   */
  @ParameterizedTest
  @CsvSource({"pc, 9000", "vtd, 9000", "noncoherent, 9000", "sev, 9000", "pc, 1280", "sev, 1500"})
  void taggedFramesOfTheFullMtuPassTheNicAndItsDriver(String platform, int mtu) throws Exception {
    Requirements.assumeProgram("iperf3", "iperf3");
    Requirements.assumeRoot();
    try (Vlab vlab = Vlab.asMyself()) {
      Path pcap = vlab.out("frames.pcapng");
      List<String> command = new ArrayList<>(List.of("iperf", "--platform", platform));
      // Nobody need be told of Ethernet's own.
      if (mtu != 1500) {
        command.addAll(List.of("--mtu", Integer.toString(mtu)));
      }
      command.addAll(List.of("--udp", "--time", "60", "--pcap", pcap.toString()));
      vlab.start(command.toArray(String[]::new));
      vlab.awaitOutput(" sec ");
      Process server = vlab.inNetworkOf("iperf3 -s", VlanEnd.class, "server");
      int[] lengths = {64, 14 + mtu, 17 + mtu, 18 + mtu};
      List<String> arguments = new ArrayList<>(List.of("52:54:00:12:34:56"));
      for (int length : lengths) {
        arguments.add(Integer.toString(length));
      }
      Process client =
          vlab.inNetworkOf("iperf3 -c", VlanEnd.class, arguments.toArray(String[]::new));
      assertEquals("all came back", Vlab.output(client));
      assertEquals("", Vlab.output(server));
      vlab.interrupt();
      Vlab.Ended ended = vlab.await();
      assertTrue(ended.out().contains(" 0 dropped"), ended::out);
      Map<Integer, Integer> crossed = new TreeMap<>();
      IperfTest.frames(
          Files.readAllBytes(pcap),
          frame -> {
            if (frame.getInt(12) == (0x8100 << 16 | VlanEnd.VLAN)) {
              crossed.merge(frame.remaining(), 1, Integer::sum);
            }
          });
      for (int length : lengths) {
        assertTrue(crossed.getOrDefault(length, 0) >= 2, () -> length + " of " + crossed);
      }
      vlab.assertNothingLeft();
    }
  }

  private static JsonNode json(Vlab.Ended ended) {
    assertEquals(0, ended.exitCode(), ended.err() + ended.out());
    return JsonMapper.shared().readTree(ended.out());
  }
}
