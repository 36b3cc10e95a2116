package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.net.fixture.ScriptedBackend;
import dev.virtiolab.net.netty.VxlanBackend;
import dev.virtiolab.net.netty.VxlanConfig;
import dev.virtiolab.net.netty.VxlanEvent;
import dev.virtiolab.net.netty.VxlanTrouble;
import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Guests on one VXLAN segment, with each other and with the kernel's own interfaces. */
class VxlanTest {
  private static final int HOSTS = 3;

  @TempDir Path folder;

  /**
   * A second network namespace with a kernel's vxlan interface, 192.0.2.9, on the far side of a
   * pair of Ethernet interfaces; its process ends with the lab's.
   */
  private String kernelAtTheFarEnd(String network, int prefix, int port, String fdb) {
    return """
        setpriv --pdeathsig KILL unshare --net sleep 600 &
        far=$!
        until [ "$(readlink /proc/$far/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do :; done
        ip link add lab0 type veth peer name far0 netns $far
        ip address add %1$s1/%2$d dev lab0%6$s
        ip link set lab0 up
        nsenter --target $far --net sh -ec '
          ip address add %1$s2/%2$d dev far0%6$s
          ip link set far0 up
          ip link add vx0 type vxlan id 42 dstport %3$d local %1$s2 dev far0 nolearning
          ip link set vx0 addrgenmode none
          ip address add 192.0.2.9/24 dev vx0
          ip link set vx0 up
          %4$s'
        echo $far > %5$s
        """
        .formatted(network, prefix, port, fdb, folder.resolve("far"), prefix == 64 ? " nodad" : "");
  }

  private static void assumeKernelsVxlan() {
    Requirements.assumeProgram("ping", "iputils-ping");
    Requirements.assumeProgram("bridge", "iproute2");
    Requirements.assumeProgram("setpriv", "util-linux");
    try (Vlab sandbox = Vlab.inNetworkOf("ip link add vx0 type vxlan id 1 dstport 4789")) {
      Requirements.assume(
          sandbox.run("--version").exitCode() == 0,
          "the kernel has no vxlan (modprobe vxlan), or allows no network namespace");
    }
  }

  @ParameterizedTest
  @CsvSource({"10.9.0.,24,4789,1450", "fd00:9::,64,8472,1430"})
  void kernelsVxlanInterfacePingsTheGuest(String network, int prefix, int port, int mtu)
      throws IOException {
    assumeKernelsVxlan();
    String lab = network + "1";
    String fdb = "bridge fdb append 52:54:00:12:34:56 dev vx0 dst " + lab + " static";
    String all = "bridge fdb append 00:00:00:00:00:00 dev vx0 dst " + lab;
    String brackets = network.indexOf(':') < 0 ? "%s" : "[%s]";
    String wire =
        "vxlan:%s:%d,vni=42,peer=%s"
            .formatted(brackets.formatted(lab), port, brackets.formatted(network + "2"));
    try (Vlab up = Vlab.inNetworkOf(kernelAtTheFarEnd(network, prefix, port, fdb + "\n" + all))) {
      up.start("up", "--backend", wire);
      up.awaitOutput("Ctrl-C ends it.");
      long far = Long.parseLong(Files.readString(folder.resolve("far")).strip());
      Vlab.Ended ping = up.inNetworkOf(far, "ping", "-c", "20", "-i", "0.02", "192.0.2.2");
      assertEquals(0, ping.exitCode(), ping::out);
      assertTrue(ping.out().contains(" 0% packet loss"), ping::out);
      // The kernel's interface is as large as ours: what just fits crosses in one piece.
      String[] whole = {"ping", "-c", "5", "-i", "0.02", "-M", "do", "-s", "%d", "192.0.2.2"};
      whole[8] = Integer.toString(mtu - 28);
      ping = up.inNetworkOf(far, whole);
      assertEquals(0, ping.exitCode(), ping::out);
      up.interrupt();
      Vlab.Ended ended = up.await();
      assertEquals("", ended.err());
      assertTrue(ended.out().contains("1 stations learned, 0 moved; no trouble"), ended::out);
      up.assertNothingLeft();
    }
  }

  /** Where a switch joins the segment with a TAP, the TAP takes no more than crosses either. */
  @Test
  void kernelPingsGuestAndHostOfALabThatJoinsTheSegmentWithATap() throws IOException {
    Requirements.assumeTap();
    assumeKernelsVxlan();
    String all = "bridge fdb append 00:00:00:00:00:00 dev vx0 dst 10.9.0.1";
    try (Vlab up = Vlab.inNetworkOf(kernelAtTheFarEnd("10.9.0.", 24, 4789, all))) {
      up.start(
          "up",
          "--here",
          "--backend",
          "tap:t0",
          "--backend",
          "vxlan:10.9.0.1,vni=42,peer=10.9.0.2");
      up.awaitOutput("Ctrl-C ends it.");
      long far = Long.parseLong(Files.readString(folder.resolve("far")).strip());
      for (String target : List.of("192.0.2.2", "192.0.2.1")) {
        Vlab.Ended ping =
            up.inNetworkOf(far, "ping", "-c", "5", "-i", "0.02", "-M", "do", "-s", "1422", target);
        assertEquals(0, ping.exitCode(), ping::out);
      }
      Vlab.Ended link = up.inNetworkOf(up.pid(), "ip", "link", "show", "dev", "t0");
      assertTrue(link.out().contains("mtu 1450"), link::out);
      up.interrupt();
      Vlab.Ended ended = up.await();
      assertEquals("", ended.err());
      assertTrue(ended.out().contains("switch port 2, vxlan:10.9.0.1"), ended::out);
      assertTrue(ended.out().contains("no trouble"), ended::out);
      up.assertNothingLeft();
    }
  }

  /** Whose address is not on the list is not heard, whatever it says. */
  @Test
  void kernelThatIsNoPeerIsNotHeard() throws IOException {
    assumeKernelsVxlan();
    String all = "bridge fdb append 00:00:00:00:00:00 dev vx0 dst 10.9.0.1";
    try (Vlab up = Vlab.inNetworkOf(kernelAtTheFarEnd("10.9.0.", 24, 4789, all))) {
      up.start("up", "--backend", "vxlan:10.9.0.1,vni=42,peer=10.9.0.3");
      up.awaitOutput("Ctrl-C ends it.");
      long far = Long.parseLong(Files.readString(folder.resolve("far")).strip());
      Vlab.Ended ping = up.inNetworkOf(far, "ping", "-c", "1", "-W", "1", "192.0.2.2");
      assertEquals(1, ping.exitCode(), ping::out);
      up.interrupt();
      Vlab.Ended ended = up.await();
      assertTrue(ended.out().contains("0 stations learned"), ended::out);
      assertTrue(ended.out().contains(" unknown-peer"), ended::out);
      assertTrue(ended.err().contains("from 10.9.0.2 port "), ended::err);
      up.assertNothingLeft();
    }
  }

  @Test
  void oneGuestPingsTheOtherByVxlan() throws IOException {
    int port = freePort();
    try (Vlab up = Vlab.asMyself();
        Vlab ping = Vlab.asMyself()) {
      up.start("up", "--json", "--backend", wire(1, port, 2));
      up.awaitOutput("}");
      Vlab.Ended ended =
          ping.run(
              "ping", "--json", "--flood", "-c", "50", "-s", "1472", "--backend", wire(2, port, 1));
      assertEquals(0, ended.exitCode(), ended.err() + ended.out());
      assertEquals("", ended.err());
      JsonNode report = JsonMapper.shared().readTree(ended.out());
      assertEquals("guest", report.at("/from").asString());
      assertEquals("vxlan", report.at("/wire").asString());
      assertEquals(50, report.at("/ping/received").asInt(), report::toString);
      assertEquals(1, report.at("/vxlan/learned").asInt(), report::toString);
      assertEquals(0, report.at("/vxlan/unknown-peer").asInt(), report::toString);
      ping.assertNothingLeft();
      up.interrupt();
      assertEquals("", up.await().err());
      up.assertNothingLeft();
    }
  }

  /**
   * Over a network of 1500 bytes, where 1450 are left: the guest sends no frame that is cut, be it
   * full or of a datagram that the guest has to cut itself; with an MTU that does not fit each full
   * one is, and that is counted and said.
   */
  @ParameterizedTest
  @CsvSource({"0, 1422, 0", "0, 20000, 0", "1500, 1422, 0", "1500, 1423, 5", "9000, 8972, 5"})
  void guestBehindVxlanSendsNoFragmentsUnlessItIsToldTo(int mtu, int size, int fragments)
      throws IOException {
    assumeKernelsVxlan();
    String all = "bridge fdb append 00:00:00:00:00:00 dev vx0 dst 10.9.0.1";
    List<String> command = new ArrayList<>(List.of("ping", "--json", "--flood", "-c", "5"));
    if (mtu != 0) {
      command.addAll(List.of("--mtu", Integer.toString(mtu)));
    }
    command.addAll(List.of("-s", Integer.toString(size), "--to", "192.0.2.9"));
    command.addAll(List.of("--backend", "vxlan:10.9.0.1,vni=42,peer=10.9.0.2"));
    try (Vlab ping = Vlab.inNetworkOf(kernelAtTheFarEnd("10.9.0.", 24, 4789, all))) {
      Vlab.Ended ended = ping.run(command.toArray(String[]::new));
      assertEquals(0, ended.exitCode(), ended::toString);
      JsonNode report = JsonMapper.shared().readTree(ended.out());
      assertEquals(5, report.at("/ping/received").asInt(), report::toString);
      assertEquals(fragments, report.at("/vxlan/fragmented").asInt(0), report::toString);
      assertEquals(fragments > 0, ended.err().contains("in fragments"), ended::err);
      ping.assertNothingLeft();
    }
  }

  @Test
  void wireThatCannotBeHadIsSaidInOneLine() throws IOException {
    try (DatagramSocket taken = new DatagramSocket(new InetSocketAddress("127.0.0.1", 0));
        Vlab lab = Vlab.asMyself()) {
      Vlab.Ended ended = lab.run("ping", "--backend", wire(1, taken.getLocalPort(), 2));
      assertEquals(2, ended.exitCode(), ended::toString);
      assertEquals(1, ended.err().lines().count(), ended::toString);
      assertTrue(ended.err().contains("already in use"), ended::toString);
      ended = lab.run("ping", "--backend", "vxlan:127.0.0.1,peer=127.0.0.2");
      assertEquals(2, ended.exitCode(), ended::toString);
      assertTrue(ended.err().contains("vni=N"), ended::toString);
      lab.assertNothingLeft();
    }
  }

  /** Any number of hosts: each sends to all what is for all, and to one what is for one. */
  @Test
  void threeHostsFindEachOtherAndNobodyHearsWhatIsNotForHim() throws IOException {
    int port = freePort();
    List<VxlanBackend> wires = new ArrayList<>();
    List<Machine> machines = new ArrayList<>();
    try {
      for (int i = 0; i < HOSTS; i++) {
        List<VxlanConfig.Host> others = new ArrayList<>();
        for (int j = 0; j < HOSTS; j++) {
          if (i != j) {
            others.add(host(j + 1, port));
          }
        }
        wires.add(VxlanBackend.open(VxlanConfig.of(host(i + 1, port), 5, others)));
        machines.add(Machine.start(withMac("52:54:00:12:34:0" + i), wires.get(i), address(i)));
      }
      for (int from = 0; from < HOSTS; from++) {
        for (int to = 0; to < HOSTS; to++) {
          if (from != to) {
            assertEquals(20, GuestPings.repliesTo(machines.get(from), address(to), 20, 1472));
          }
        }
      }
      for (int i = 0; i < HOSTS; i++) {
        long heard = machines.get(i).report().frames().toGuest();
        assertTrue(heard >= 80 && heard < 100, "guest " + i + " heard " + heard);
        assertEquals(HOSTS - 1, wires.get(i).count(VxlanEvent.LEARNED));
        for (VxlanTrouble trouble : VxlanTrouble.values()) {
          assertEquals(0, wires.get(i).count(trouble), trouble::word);
        }
      }
    } finally {
      machines.forEach(Machine::close);
      wires.forEach(VxlanBackend::close);
    }
  }

  /** Device configuration, 5.1.4 "Device configuration layout": mtu is at 10, little-endian. */
  @Test
  void nicOffersTheMtuOfAWireThatTakesLessUnlessTheUserSaysOne() {
    for (OptionalInt said : List.of(OptionalInt.empty(), OptionalInt.of(900))) {
      for (OptionalInt wireMtu : List.of(OptionalInt.empty(), OptionalInt.of(1450))) {
        MachineConfig any = MachineConfig.of(PlatformKind.PC);
        MachineConfig config =
            new MachineConfig(
                any.platform(), any.slot(), any.mac(), said, any.bounceSlots(), any.seed());
        try (ScriptedBackend wire = new ScriptedBackend()) {
          wire.setMtu(wireMtu);
          try (Mainboard board = new Mainboard(config, wire)) {
            OptionalInt offered = said.isPresent() ? said : wireMtu;
            assertEquals(offered.isPresent(), board.nic().offeredFeatures().has(1L << 3));
            if (offered.isPresent()) {
              int mtu = board.nic().configByte(10) | board.nic().configByte(11) << 8;
              assertEquals(offered.getAsInt(), mtu);
            }
          }
        }
      }
    }
  }

  private static String wire(int own, int port, int peer) {
    return "vxlan:127.0.0.%d:%d,vni=5,peer=127.0.0.%d".formatted(own, port, peer);
  }

  private static VxlanConfig.Host host(int number, int port) {
    return new VxlanConfig.Host("127.0.0." + number, port);
  }

  /** A port that is free at every address of the loopback interface just now. */
  private static int freePort() throws IOException {
    try (DatagramSocket everywhere = new DatagramSocket(0, InetAddress.getByName("0.0.0.0"))) {
      return everywhere.getLocalPort();
    }
  }

  private static Ipv4Address address(int guest) {
    return Ipv4Address.parse("192.0.2." + (10 + guest));
  }

  private static MachineConfig withMac(String mac) {
    MachineConfig plain = MachineConfig.of(PlatformKind.PC);
    return new MachineConfig(
        plain.platform(),
        plain.slot(),
        MacAddress.parse(mac),
        plain.mtu(),
        plain.bounceSlots(),
        plain.seed());
  }
}
