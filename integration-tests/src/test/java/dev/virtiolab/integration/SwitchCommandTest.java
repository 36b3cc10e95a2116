package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code vlab switch}: wires joined without a NIC. */
class SwitchCommandTest {
  private static final int ENHANCED_PACKET_BLOCK_AND_PING = 32 + 98;

  /** An address beside that of lo: Netty complains, once, where it finds none. */
  private static final String NETWORK =
      "ip link add eth0 type veth peer name eth1\n"
          + "ip address add 10.9.0.1/24 dev eth0\n"
          + "ip link set eth0 up";

  @TempDir Path folder;

  /** A kernel's bridge, its own address, and the switch's TAP as a port of it: a container's. */
  private static void makePortOfABridge(Vlab lab, String tap) {
    for (String command :
        List.of(
            "link add br0 type bridge",
            "address add 192.0.2.1/24 dev br0",
            "link set br0 up",
            "link set " + tap + " master br0")) {
      Vlab.Ended ended = lab.inNetworkOf(lab.pid(), ("ip " + command).split(" "));
      assertEquals(0, ended.exitCode(), () -> command + ": " + ended.out());
    }
  }

  private static Vlab.Ended ping(Vlab lab, int count) {
    return lab.inNetworkOf(
        lab.pid(), "ping", "-c", Integer.toString(count), "-i", "0.05", "-W", "2", "192.0.2.2");
  }

  /** With no right but to administer its network, as in a container. */
  @Test
  void kernelsBridgeReachesAGuestByTapAndStream() {
    Requirements.assumeTap();
    Requirements.assumeRoot();
    Requirements.assumeProgram("ping", "iputils-ping");
    String socket = "unix:" + folder.resolve("wire");
    try (Vlab cable = Vlab.inNetworkOf(NETWORK).onlyNetAdmin();
        Vlab up = Vlab.asMyself()) {
      Path pcap = cable.out("first.pcapng");
      cable.start(
          "switch",
          "--json",
          "--pcap",
          pcap.toString(),
          "--backend",
          "tap:vt0",
          "--backend",
          "stream:listen:" + socket);
      cable.awaitOutput("}\n");
      cable.awaitOutput("]");
      JsonNode ready = JsonMapper.shared().readTree(cable.printed());
      assertEquals("vt0", ready.at("/ports/0/tap").asString(), ready::toString);
      assertTrue(ready.at("/ports/1/tap").isNull(), ready::toString);
      assertEquals(cable.pid(), ready.at("/pid").asLong());
      makePortOfABridge(cable, "vt0");
      up.start("up", "--backend", "stream:" + socket);
      up.awaitOutput("Ctrl-C ends it.");

      Vlab.Ended pings = ping(cable, 10);
      assertEquals(0, pings.exitCode(), pings::out);
      cable.interrupt();
      Vlab.Ended ended = cable.await();
      assertEquals("", ended.err());
      try (var values = JsonMapper.shared().readerFor(JsonNode.class).readValues(ended.out())) {
        JsonNode last = (JsonNode) values.readAll().getLast();
        assertTrue(last.at("/ports/0/sent").asLong() >= 10, last::toString);
        assertTrue(last.at("/ports/1/relayed").asLong() >= 10, last::toString);
        assertEquals(0, last.at("/ports/0/no_room").asLong(), last::toString);
      }
      assertTrue(pcap.toFile().length() > 20 * ENHANCED_PACKET_BLOCK_AND_PING);
      cable.assertNoProcessAndNoInterfaceLeft();
      up.interrupt();
      up.await();
    }
  }

  /** What befalls the first port's wire befalls nobody at the others. */
  @Test
  void faultsAreOfTheFirstPortAndAPersonSeesWhatCrossed() {
    Requirements.assumeTap();
    Requirements.assumeRoot();
    Requirements.assumeProgram("ping", "iputils-ping");
    String socket = "unix:" + folder.resolve("wire");
    try (Vlab cable = Vlab.inNetworkOf(NETWORK);
        Vlab up = Vlab.asMyself()) {
      cable.start(
          "switch",
          "--seed",
          "7",
          "--fault",
          "in:loss=100%",
          "--backend",
          "tap:vt0",
          "--backend",
          "stream:listen:" + socket);
      cable.awaitOutput("Ctrl-C ends it.");
      assertTrue(cable.printed().startsWith("switch port 1, tap:vt0\n"), cable.printed());
      makePortOfABridge(cable, "vt0");
      up.start("up", "--backend", "stream:" + socket);
      up.awaitOutput("Ctrl-C ends it.");
      assertEquals(1, ping(cable, 2).exitCode());
      cable.interrupt();
      Vlab.Ended ended = cable.await();
      assertTrue(ended.out().contains("--seed 7 gives the same again"), ended::toString);
      assertTrue(
          ended.out().contains("switch port 1, tap:vt0: 0 relayed, 0 flooded"), ended::toString);
      assertTrue(ended.out().contains("switch port 2, stream:listen:" + socket), ended::toString);
      up.interrupt();
      up.await();
    }
  }

  /** Two switches joined twice: a broadcast goes round, both go on serving, and end in order. */
  @Test
  void loopOfTwoSwitchesIsDroppedFromAndEndsInOrder() {
    Requirements.assumeTap();
    Requirements.assumeRoot();
    try (Vlab one = Vlab.inNetworkOf(NETWORK);
        Vlab other = Vlab.asMyself()) {
      one.start(
          "switch",
          "--backend",
          "tap:vt0",
          "--backend",
          dgram("a", "b"),
          "--backend",
          dgram("c", "d"));
      one.awaitOutput("Ctrl-C ends it.");
      other.start("switch", "--backend", dgram("b", "a"), "--backend", dgram("d", "c"));
      other.awaitOutput("Ctrl-C ends it.");
      makePortOfABridge(one, "vt0");
      // Each asks for an address that nobody has: a broadcast.
      assertEquals(1, ping(one, 5).exitCode());
      for (Vlab lab : List.of(one, other)) {
        lab.interrupt();
        Vlab.Ended ended = lab.await();
        assertEquals("", ended.err());
        assertEquals(130, ended.exitCode());
      }
      other.assertNothingLeft();
      long flooded = flooded(one.printed()) + flooded(other.printed());
      assertTrue(flooded > 1000, () -> one.printed() + other.printed());
    }
  }

  private String dgram(String own, String peer) {
    return "dgram:unix:" + folder.resolve(own) + ",unix:" + folder.resolve(peer);
  }

  private static long flooded(String printed) {
    return printed
        .lines()
        .filter(line -> line.contains(" flooded"))
        .mapToLong(line -> Long.parseLong(line.replaceAll(".* (\\d+) flooded.*", "$1")))
        .sum();
  }

  @Test
  void metricsSayWhatEachPortDid() {
    try (Vlab lab = Vlab.asMyself()) {
      lab.start(
          "switch", "--metrics", "0", "--backend", "sink", "--backend", dgram("here", "there"));
      lab.awaitOutput("Ctrl-C ends it.");
      String url = lab.printedToErr().replaceAll("(?s).*(http://\\S+).*", "$1");
      String page = Vlab.get(url);
      assertTrue(page.contains("virtiolab_switch_info{port=\"1\",wire=\"sink\"} 1\n"), page);
      assertTrue(
          page.contains("virtiolab_switch_drops_total{port=\"2\",reason=\"no_room\"} 0\n"), page);
      lab.interrupt();
      lab.await();
      lab.assertNothingLeft();
    }
  }

  @Test
  void tapThatIsDeletedEndsItWithOneLine() {
    Requirements.assumeTap();
    Requirements.assumeRoot();
    try (Vlab lab = Vlab.inNetworkOf(NETWORK)) {
      lab.start("switch", "--backend", "sink", "--backend", "tap:vt0");
      lab.awaitOutput("Ctrl-C ends it.");
      assertEquals(0, lab.inItsNetwork("ip", "link", "delete", "vt0"));
      Vlab.Ended ended = lab.await();
      assertEquals(1, ended.exitCode(), ended::toString);
      assertEquals("vlab: the wire is gone: tap:vt0 was deleted\n", ended.err());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "--backend sink; joins two wires or more",
        "--backend sink --backend loopback; loopback cannot be joined",
        "--backend sink --backend nonsense; nonsense",
        "--backend sink --backend dgram:unix:/none/a,unix:/none/b; /none/a",
        "--backend sink --backend sink --mtu 7; --mtu is from 68",
        "--backend sink --backend sink --fault nonsense; nonsense",
        "--backend sink --backend sink --pcap /none/p; cannot write --pcap",
      })
  void whatCannotBeJoinedIsOneLine(String arguments, String words) {
    try (Vlab lab = Vlab.asMyself()) {
      Vlab.Ended ended = lab.run(("switch " + arguments).split(" "));
      assertEquals(2, ended.exitCode(), ended::toString);
      assertEquals(1, ended.err().lines().count(), ended::toString);
      assertTrue(ended.err().contains(words), ended::toString);
      lab.assertNothingLeft();
    }
  }
}
