package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.fixture.TestCertificates;
import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Two labs in two network namespaces that a pair of Ethernet interfaces joins, iperf3 behind the
 * driver of each.
 */
class IperfPeersTest {
  /** As in {@link IperfTest}, and what is under way when one of two labs looks. */
  private static final long ON_THE_WAY = 64 + 1 + 64 + 256;

  private static final String NEAR = "10.9.0.1";
  private static final String FAR = "10.9.0.2";

  @TempDir Path folder;

  @BeforeEach
  void requireATapAndIperf3() {
    Requirements.assumeTap();
    Requirements.assumeRoot();
    Requirements.assumeProgram("iperf3", "iperf3");
    Requirements.assumeProgram("ip", "iproute2");
    Requirements.assumeProgram("setpriv", "util-linux");
  }

  /** A second namespace at the far end of lab0; its process ends with the lab's. */
  private Vlab near() {
    return Vlab.inNetworkOf(
        """
        setpriv --pdeathsig KILL unshare --net sleep 600 &
        far=$!
        until [ "$(readlink /proc/$far/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do :; done
        ip link add lab0 type veth peer name far0 netns $far
        ip address add %1$s/24 dev lab0
        ip link set lab0 up
        nsenter --target $far --net sh -ec '
          ip link set lo up
          ip address add %2$s/24 dev far0
          ip link set far0 up'
        echo $far > %3$s
        """
            .formatted(NEAR, FAR, folder.resolve("far")));
  }

  private Vlab far() throws IOException {
    return Vlab.inNetworkOf(Long.parseLong(Files.readString(folder.resolve("far")).strip()));
  }

  /** Both ends of a wire, the server's first. */
  private String[] wires(String kind) {
    return switch (kind) {
      case "vxlan" -> new String[] {vxlan(NEAR, FAR), vxlan(FAR, NEAR)};
      case "dgram" -> new String[] {dgram(NEAR, FAR), dgram(FAR, NEAR)};
      case "stream" -> new String[] {"stream:listen:" + NEAR + ":7000", "stream:" + NEAR + ":7000"};
      case "tls" -> {
        TestCertificates authority = new TestCertificates();
        Path server = authority.folder(folder.resolve("server"), true, authority.issue());
        Path client = authority.folder(folder.resolve("client"), false, authority.issue());
        yield new String[] {
          "stream:listen:" + NEAR + ":7000,tls=" + server, "stream:" + NEAR + ":7000,tls=" + client
        };
      }
      default -> throw new IllegalArgumentException(kind);
    };
  }

  private static String vxlan(String own, String peer) {
    return "vxlan:" + own + ",vni=42,peer=" + peer;
  }

  private static String dgram(String own, String peer) {
    return "dgram:" + own + ":7000," + peer + ":7000";
  }

  @ParameterizedTest
  @CsvSource({
    "vxlan,  pc,          '',               false",
    "vxlan,  sev,         --udp --reverse,  true",
    "stream, vtd,         --reverse,        false",
    "stream, pc,          '',               true",
    "tls,    sev,         --bidir,          false",
    "dgram,  noncoherent, --udp,            false",
    "dgram,  pc,          --bidir,          true",
  })
  void itCompletesAcrossBothNicsAndEveryFrameIsAccountedFor(
      String kind, String platform, String way, boolean here) throws IOException {
    boolean udp = way.contains("--udp");
    String[] wires = wires(kind);
    try (Vlab server = near()) {
      serve(server, here, "--json", "--platform", platform, "--backend", wires[0]);
      server.awaitOutput("}");
      try (Vlab client = far()) {
        List<String> arguments =
            new ArrayList<>(List.of("iperf", "--json", "--platform", platform));
        arguments.addAll(List.of("--backend", wires[1]));
        arguments.addAll(List.of(way.strip().split(" +")));
        arguments.remove("");
        if (here) {
          client.onlyNetAdmin();
          arguments.add("--here");
        }
        arguments.addAll(udp ? List.of("--", "-b", "10M", "-n", "1M") : List.of("--time", "2"));
        Vlab.Ended ended = client.run(arguments.toArray(String[]::new));
        assertEquals(0, ended.exitCode(), ended::toString);
        assertEquals("", ended.err());
        JsonNode mine = JsonMapper.shared().readTree(ended.out());
        client.assertNothingLeft();
        server.interrupt();
        List<JsonNode> said = objects(server.await());
        assertEquals(2, said.size(), said::toString);
        server.assertNothingLeft();

        long measured =
            udp
                ? mine.at("/iperf3/end/sum/bytes").asLong()
                : mine.at("/iperf3/end/sum_received/bytes").asLong();
        assertTrue(measured > 1 << 19, mine::toString);
        assertEquals(platform, mine.at("/traffic/platform").asString());
        assertEquals("192.0.2.3", mine.at("/path/client/address").asString());
        assertEquals("192.0.2.2", said.getLast().at("/path/server/address").asString());
        assertCarried(mine, "client");
        assertCarried(said.getLast(), "server");
        if (!udp && !kind.equals("dgram")) {
          JsonNode yours = said.getLast().at("/path/peer");
          assertNear(mine.at("/path/peer/to_peer").asLong(), yours.at("/from_peer").asLong(), mine);
          assertNear(mine.at("/path/peer/from_peer").asLong(), yours.at("/to_peer").asLong(), mine);
        }
      }
    }
  }

  /** Each count of one lab was made by somebody else: kernel's TAP, guest, device and wire. */
  private static void assertCarried(JsonNode report, String role) {
    JsonNode end = report.at("/path/" + role);
    JsonNode peer = report.at("/path/peer");
    JsonNode relay = report.at("/path/relay");
    JsonNode frames = report.at("/traffic/frames");
    assertTrue(
        report.at("/path/" + (role.equals("client") ? "server" : "client")).isNull(),
        report::toString);
    assertEquals(0, end.at("/dropped").asLong(), report::toString);
    assertEquals(0, relay.at("/dropped").asLong(), report::toString);
    assertEquals(end.at("/to_host"), relay.at("/from_card"), report::toString);
    assertEquals(end.at("/from_host"), relay.at("/to_card"), report::toString);
    assertTrue(relay.at("/to_card").asLong() > 0, report::toString);
    assertNear(frames.at("/from_guest").asLong(), peer.at("/to_peer").asLong(), report);
    assertNear(frames.at("/to_guest").asLong(), peer.at("/from_peer").asLong(), report);
    assertNear(relay.at("/to_card").asLong(), frames.at("/from_guest").asLong(), report);
    assertNear(frames.at("/to_guest").asLong(), relay.at("/from_card").asLong(), report);
  }

  private static void assertNear(long one, long other, JsonNode report) {
    assertTrue(Math.abs(one - other) <= ON_THE_WAY, () -> one + " and " + other + ": " + report);
  }

  /** The wire takes 1450 bytes, so the kernels behind the guests do, and nothing is cut up. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void tapBehindTheGuestTakesNoMoreThanTheWireDoes(boolean here) throws IOException {
    String[] wires = wires("vxlan");
    try (Vlab server = near()) {
      serve(server, here, "--json", "--backend", wires[0]);
      server.awaitOutput("}");
      JsonNode ready = JsonMapper.shared().readTree(server.printed());
      String show = "ip link show dev " + ready.at("/tap").asString();
      String enter = ready.at("/enter").asString();
      Vlab.Ended link =
          here ? server.inNetworkOf(server.pid(), show.split(" ")) : Vlab.shell(enter + " " + show);
      assertTrue(link.out().contains("mtu 1450"), link::out);
      if (here) {
        // And nobody who has not crossed the NIC reaches the server.
        Vlab.Ended sockets = server.inNetworkOf(server.pid(), "ss", "-Hltn");
        assertTrue(sockets.out().contains("192.0.2.2:5201"), sockets::out);
        assertEquals(1, sockets.out().lines().count(), sockets::out);
      }
      try (Vlab client = far()) {
        Vlab.Ended ended = client.run("iperf", "--json", "-t", "1", "--backend", wires[1]);
        assertEquals(0, ended.exitCode(), ended::toString);
        JsonNode vxlan = JsonMapper.shared().readTree(ended.out()).at("/vxlan");
        assertEquals(1, vxlan.at("/learned").asLong(), vxlan::toString);
        assertEquals(0, vxlan.at("/fragmented").asLong(), vxlan::toString);
      }
      server.interrupt();
      server.await();
      server.assertNothingLeft();
    }
  }

  /** The kernel behind the server's guest answers, and one client comes after the other. */
  @Test
  void serverAnswersPingAndServesOneAfterTheOtherAndAPersonSeesWhatCrossed() throws IOException {
    String[] wires = wires("stream");
    try (Vlab server = near()) {
      serve(server, false, "--backend", wires[0], "--port", "5300");
      server.awaitOutput("Ctrl-C ends it.");
      try (Vlab ping = far();
          Vlab first = far();
          Vlab second = far()) {
        Vlab.Ended ended = ping.run("ping", "-c", "20", "-f", "--backend", wires[1]);
        assertEquals(0, ended.exitCode(), ended::toString);
        assertTrue(ended.out().contains(" 0% packet loss"), ended::toString);
        for (Vlab client : List.of(first, second)) {
          ended = client.run("iperf", "-p", "5300", "--backend", wires[1], "--", "-n", "1M");
          assertEquals(0, ended.exitCode(), ended::toString);
          assertEquals("", ended.err());
          assertTrue(
              ended.out().contains("--- client 192.0.2.3 - tap0 - Simple Network Protocol - NIC"),
              ended::toString);
        }
      }
      server.interrupt();
      Vlab.Ended ended = server.await();
      assertNoComplaint(ended);
      assertTrue(ended.out().contains("Server listening on 5300 (test #3)"), ended::toString);
      assertTrue(ended.out().contains("--- server 192.0.2.2 - tap0"), ended::toString);
      server.assertNothingLeft();
    }
  }

  @Test
  void serverOfOneClientEndsInOrder() throws IOException {
    String[] wires = wires("stream");
    try (Vlab server = near()) {
      serve(server, true, "--one-off", "--json", "--backend", wires[0]);
      server.awaitOutput("}");
      try (Vlab client = far()) {
        Vlab.Ended ended = client.run("iperf", "--json", "--backend", wires[1], "--", "-n", "1M");
        assertEquals(0, ended.exitCode(), ended::toString);
      }
      Vlab.Ended ended = server.await();
      assertEquals(0, ended.exitCode(), ended::toString);
      assertEquals(2, objects(ended).size(), ended::toString);
      server.assertNothingLeft();
    }
  }

  @Test
  void ordinaryUserNeedsNoRights() {
    try (Vlab server = Vlab.asOrdinaryUser("666");
        Vlab client = Vlab.asOrdinaryUser("666")) {
      server.start(
          "iperf",
          "--server",
          "--json",
          "--metrics",
          "0",
          "--backend",
          "stream:listen:127.0.0.1:0");
      server.awaitOutput("}");
      JsonNode ready = JsonMapper.shared().readTree(server.printed());
      String wire = ready.at("/wire").asString().replace("listen:", "");
      Vlab.Ended ended = client.run("iperf", "--json", "--backend", wire, "--", "-n", "1M");
      assertEquals(0, ended.exitCode(), ended::toString);
      client.assertNothingLeft();
      String metrics = server.printedToErr().lines().findFirst().orElseThrow();
      String page = Vlab.get(metrics.substring(metrics.indexOf("http")));
      assertTrue(page.contains("virtiolab_nic_frames_total{direction=\"to_guest\"} "), page);
      server.interrupt();
      assertTrue(server.await().err().startsWith(metrics));
      server.assertNothingLeft();
    }
  }

  // ---- what goes wrong

  @ParameterizedTest
  @CsvSource({"stream, the other side went away", "dgram, nothing was heard of the other side"})
  void serversLabKilledInMidRunEndsTheClientWithOneLine(String kind, String words)
      throws IOException {
    String[] wires = wires(kind);
    // Its network goes with the server's lab: it is in one that stays.
    try (Vlab hub = near()) {
      hub.start("switch", "--backend", "sink", "--backend", "sink");
      hub.awaitOutput("Ctrl-C ends it.");
      try (Vlab server = Vlab.inNetworkOf(hub.pid());
          Vlab client = far()) {
        serve(server, false, "--backend", wires[0]);
        server.awaitOutput("Ctrl-C ends it.");
        client.start("iperf", "-t", "60", "--patience", "4", "--backend", wires[1]);
        client.awaitOutput(" sec ");
        server.signal("KILL");
        server.await();
        server.assertNoProcessAndNoInterfaceLeft();

        assertEquals(1, oneLine(client.await(), words));
        client.assertNothingLeft();
      }
      hub.interrupt();
      hub.await();
    }
  }

  /** A receiver of UDP says nothing, and neither side takes that for an end. */
  @ParameterizedTest
  @ValueSource(strings = {"--udp", "--udp --reverse"})
  void whoIsQuietButThereIsBorne(String way) throws IOException {
    String[] wires = wires("dgram");
    try (Vlab server = near()) {
      serve(server, true, "--backend", wires[0], "--patience", "3");
      server.awaitOutput("Ctrl-C ends it.");
      try (Vlab client = far()) {
        List<String> arguments = new ArrayList<>(List.of("iperf", "-t", "8", "--patience", "3"));
        arguments.addAll(List.of(way.split(" ")));
        arguments.addAll(List.of("--backend", wires[1]));
        Vlab.Ended ended = client.run(arguments.toArray(String[]::new));
        assertEquals(0, ended.exitCode(), ended::toString);
      }
      server.interrupt();
      assertEquals("", server.await().err());
    }
  }

  /** Whoever knocks while the server waits for one that is gone is heard on the wire, too. */
  @Test
  void clientsThatKnockDoNotKeepADeadOneAlive() throws IOException {
    String[] wires = wires("dgram");
    try (Vlab server = near()) {
      serve(server, true, "--backend", wires[0], "--patience", "3");
      server.awaitOutput("Ctrl-C ends it.");
      try (Vlab killed = far()) {
        killed.start("iperf", "-t", "60", "--backend", wires[1]);
        killed.awaitOutput(" sec ");
        killed.signal("KILL");
        killed.await();
      }
      long since = System.nanoTime();
      Vlab.Ended ended;
      do {
        assertTrue(System.nanoTime() - since < TimeUnit.SECONDS.toNanos(90), "it still waits");
        try (Vlab next = far()) {
          ended = next.run("iperf", "--backend", wires[1], "--", "-n", "1M");
        }
      } while (ended.exitCode() != 0);
      server.interrupt();
      server.await();
      server.assertNothingLeft();
    }
  }

  @Test
  void clientsLabKilledInMidRunCostsTheNextOneNothing() throws IOException {
    String[] wires = wires("dgram");
    try (Vlab server = near()) {
      serve(server, true, "--backend", wires[0], "--patience", "3");
      server.awaitOutput("Ctrl-C ends it.");
      try (Vlab killed = far();
          Vlab next = far()) {
        killed.start("iperf", "-t", "60", "--backend", wires[1]);
        killed.awaitOutput(" sec ");
        killed.signal("KILL");
        killed.await();
        killed.assertNoProcessAndNoInterfaceLeft();
        server.awaitOutput("Server listening", 2);

        Vlab.Ended ended = next.run("iperf", "--backend", wires[1], "--", "-n", "1M");
        assertEquals(0, ended.exitCode(), ended::toString);
      }
      server.interrupt();
      assertTrue(server.await().err().endsWith("the server starts over\n"));
      server.assertNothingLeft();
    }
  }

  @ParameterizedTest
  @CsvSource({"INT,130", "TERM,143"})
  void signalEndsTheClientInOrderWithASummary(String signal, int exitCode) throws IOException {
    String[] wires = wires("stream");
    try (Vlab server = near()) {
      serve(server, false, "--backend", wires[0]);
      server.awaitOutput("Ctrl-C ends it.");
      try (Vlab client = far()) {
        client.start("iperf", "-t", "60", "--backend", wires[1]);
        client.awaitOutput(" sec ");
        client.signal(signal);
        Vlab.Ended ended = client.await();
        assertEquals(exitCode, ended.exitCode(), ended::toString);
        assertEquals("", ended.err());
        assertTrue(ended.out().contains("--- virtio-net 00:04.0"), ended::toString);
        client.assertNothingLeft();
      }
      server.signal(signal);
      Vlab.Ended ended = server.await();
      assertEquals(exitCode, ended.exitCode(), ended::toString);
      assertNoComplaint(ended);
      server.assertNothingLeft();
    }
  }

  @Test
  void serverThatDiesAndATapThatIsDeletedAreOneLineEach() throws IOException {
    try (Vlab server = near()) {
      serve(server, true, "--backend", wires("dgram")[0]);
      server.awaitOutput("Ctrl-C ends it.");
      assertEquals(1, server.killChildren("iperf3 -s"));
      assertEquals(1, oneLine(server.await(), "the iperf3 server ended with exit code 137"));
      server.assertNothingLeft();
    }
    try (Vlab server = near()) {
      serve(server, true, "--backend", wires("dgram")[0]);
      server.awaitOutput("Ctrl-C ends it.");
      assertEquals(0, server.inItsNetwork("ip", "link", "delete", "tap0"));
      assertEquals(1, oneLine(server.await(), "the TAP behind the guest was deleted"));
      server.assertNothingLeft();
    }
  }

  @Test
  void whereNoNamespaceCanBeMadeItNamesTheOptionThatNeedsNone() {
    try (Vlab lab = near().onlyNetAdmin()) {
      Vlab.Ended ended = lab.run("iperf", "--server", "--backend", wires("dgram")[0]);
      assertEquals(2, oneLine(ended, "--here"), ended::toString);
      assertEquals(1, ended.err().lines().count(), ended::toString);
      lab.assertNothingLeft();
    }
  }

  @Test
  void nobodyAtTheOtherEndIsOneLine() throws IOException {
    try (Vlab hub = near()) {
      hub.start("switch", "--backend", "sink", "--backend", "sink");
      hub.awaitOutput("Ctrl-C ends it.");
      try (Vlab client = far()) {
        Vlab.Ended ended = client.run("iperf", "--here", "--backend", wires("dgram")[1]);
        assertEquals(1, oneLine(ended, "No route to host"), ended::toString);
        client.assertNothingLeft();
      }
      try (Vlab client = far()) {
        Vlab.Ended ended = client.run("iperf", "--here", "--backend", wires("stream")[1]);
        assertEquals(1, oneLine(ended, "no peer in 10 s"), ended::toString);
        client.assertNothingLeft();
      }
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "--server; --server is for a wire to another process",
        "--here; --here is for a wire to another process",
        "--to 192.0.2.9; --to is for a wire to another process",
        "--server --reverse --backend stream:h:1; --reverse is the client's to say",
        "--server --backend stream:h:1 -- -p 7; give --port before the --",
        "--one-off --backend stream:h:1; --one-off is a server's",
        "--to 192.0.2.3 --backend stream:h:1; --to and --guest-address are two addresses",
        "--to nobody --backend stream:h:1; --to",
        "--patience 0 --backend stream:h:1; --patience is from 1",
        "--backend stream:h:1 --backend tap; here --backend is given once",
      })
  void whatCannotBeAskedForIsOneLine(String arguments, String words) {
    try (Vlab lab = Vlab.asMyself()) {
      Vlab.Ended ended = lab.run(("iperf " + arguments).split(" "));
      assertEquals(2, oneLine(ended, words), ended::toString);
      assertEquals(1, ended.err().lines().count(), ended::toString);
      lab.assertNothingLeft();
    }
  }

  private static void serve(Vlab server, boolean here, String... arguments) {
    List<String> all = new ArrayList<>(List.of("iperf", "--server"));
    all.addAll(List.of(arguments));
    if (here) {
      server.onlyNetAdmin();
      all.add("--here");
    }
    server.start(all.toArray(String[]::new));
  }

  /** The objects that it printed, one after the other. */
  private static List<JsonNode> objects(Vlab.Ended ended) {
    assertNoComplaint(ended);
    try (var values = JsonMapper.shared().readerFor(JsonNode.class).readValues(ended.out())) {
      return values.readAll().stream().map(JsonNode.class::cast).toList();
    }
  }

  /** The kernel behind a guest may send on after the peer has gone; that is said once. */
  private static void assertNoComplaint(Vlab.Ended ended) {
    assertTrue(
        ended.err().isEmpty()
            || ended.err().contains("a frame was sent without a link")
                && ended.err().lines().count() == 1,
        ended::toString);
  }

  /** Checks what it said last on standard error; returns the exit code. */
  private static int oneLine(Vlab.Ended ended, String words) {
    String last = ended.err().lines().reduce("", (a, b) -> b);
    assertTrue(last.startsWith("vlab: ") && last.contains(words), ended::toString);
    return ended.exitCode();
  }
}
