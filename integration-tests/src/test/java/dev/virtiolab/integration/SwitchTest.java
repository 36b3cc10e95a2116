package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.net.DatagramBackend;
import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.bridge.BridgeLoop;
import dev.virtiolab.net.bridge.LearningBridge;
import dev.virtiolab.posix.fixture.Requirements;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Guests that share a segment by a switch. */
class SwitchTest {
  private static final Ipv4Address HOST = Ipv4Address.parse("192.0.2.1");
  private static final Ipv4Address GUEST = Ipv4Address.parse("192.0.2.2");
  private static final int FRAMES_ON_A_WIRE = 64;
  private static final int LARGEST_FRAME = 1514;
  private static final int GUESTS = 3;

  @Test
  void threeGuestsReachEachOtherAndNobodyHearsWhatIsNotForHim() {
    List<NetBackend> near = new ArrayList<>();
    List<NetBackend> far = new ArrayList<>();
    for (int i = 0; i < GUESTS; i++) {
      LoopbackBackend.Pair wire = LoopbackBackend.pair(FRAMES_ON_A_WIRE, LARGEST_FRAME);
      near.add(wire.left());
      far.add(wire.right());
    }
    List<Machine> machines = new ArrayList<>();
    try (BridgeLoop loop = BridgeLoop.start(new LearningBridge(near))) {
      for (int i = 0; i < GUESTS; i++) {
        machines.add(Machine.start(withMac("52:54:00:12:34:0" + i), far.get(i), address(i)));
      }
      for (int from = 0; from < GUESTS; from++) {
        for (int to = 0; to < GUESTS; to++) {
          if (from != to) {
            assertEquals(20, GuestPings.repliesTo(machines.get(from), address(to), 20, 1472));
          }
        }
      }
      // Nobody is addressed by more than his own 160 requests and replies, and a few floods.
      for (int i = 0; i < GUESTS; i++) {
        long heard = machines.get(i).report().frames().toGuest();
        assertTrue(heard >= 80 && heard < 100, "guest " + i + " heard " + heard);
        assertTrue(loop.bridge().counters(i).relayed() >= 70);
        assertEquals(0, loop.bridge().counters(i).noRoom());
      }
    } finally {
      machines.forEach(Machine::close);
      far.forEach(NetBackend::close);
    }
  }

  /** vlab up joins its TAP and a datagram socket; a second lab plugs into the latter. */
  @Test
  void secondLabReachesHostAndGuestOfTheFirstThroughItsSwitch() {
    Requirements.assumeTap();
    try (Vlab lab = Vlab.asMyself()) {
      Path here = lab.out("here.sock");
      Path there = lab.out("there.sock");
      lab.start("up", "--backend", "tap", "--backend", "dgram:unix:" + there + ",unix:" + here);
      lab.awaitOutput("Ctrl-C ends it.");
      try (NetBackend wire = DatagramBackend.unix(here, there);
          Machine machine = Machine.start(withMac("52:54:00:12:34:57"), wire, address(7))) {
        assertEquals(20, GuestPings.repliesTo(machine, GUEST, 20, 56));
        assertEquals(20, GuestPings.repliesTo(machine, HOST, 20, 1472));
      }
      lab.interrupt();
      Vlab.Ended ended = lab.await();
      assertTrue(ended.out().contains("switch port 2, dgram:unix:"), ended::toString);
      assertTrue(ended.out().contains("switch port 1, tap:"), ended::toString);
      assertEquals("", ended.err());
      assertTrue(!there.toFile().exists(), "the socket's file is left");
      lab.assertNothingLeft();
    }
  }

  @Test
  void wiresThatCannotBeJoinedAreRefusedInOneLine() {
    Requirements.assumeTap();
    for (String other :
        List.of("loopback", "nonsense", "dgram:127.0.0.1:1", "dgram:unix:/none/a,unix:/none/b")) {
      try (Vlab lab = Vlab.asMyself()) {
        Vlab.Ended ended = lab.run("ping", "--backend", "tap", "--backend", other);
        assertEquals(2, ended.exitCode(), ended::toString);
        assertEquals(1, ended.err().lines().count(), ended::toString);
        assertTrue(ended.err().contains(other), ended::toString);
        lab.assertNothingLeft();
      }
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
