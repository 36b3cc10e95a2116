package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.net.BackendSpec;
import dev.virtiolab.net.DatagramBackend;
import dev.virtiolab.net.NetBackend;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Frames of the lab cross real QEMUs: what we speak is what QEMU speaks. */
class QemuPeersTest {
  private static final Ipv4Address NEAR = Ipv4Address.parse("192.0.2.2");
  private static final Ipv4Address FAR = Ipv4Address.parse("192.0.2.3");
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(10);

  @TempDir Path folder;

  @BeforeEach
  void needQemu() {
    QemuHub.assumeInstalled();
  }

  /** guest - dgram over unix - QEMU - dgram over UDP - guest. */
  @ParameterizedTest
  @EnumSource(names = {"PC", "SEV"})
  void guestsPingEachOtherThroughDgram(PlatformKind platform) {
    InetSocketAddress[] udp = freePorts(2);
    try (QemuHub hub =
            QemuHub.start(QemuHub.dgram(path("qemu"), path("lab")), QemuHub.dgram(udp[0], udp[1]));
        NetBackend left = DatagramBackend.unix(path("lab"), path("qemu"));
        NetBackend right = DatagramBackend.udp(udp[1], udp[0])) {
      assertGuestsReachEachOther(platform, left, right);
      assertTrue(hub.alive());
    }
  }

  /** Two QEMUs; the lab at either end. */
  @ParameterizedTest
  @ValueSource(strings = {"dgram", "stream"})
  void guestsPingEachOtherThroughTwoQemus(String between) {
    InetSocketAddress[] udp = freePorts(2);
    boolean dgram = between.equals("dgram");
    try (QemuHub one =
            QemuHub.start(
                QemuHub.dgram(path("q1"), path("l1")),
                dgram ? QemuHub.dgram(udp[0], udp[1]) : QemuHub.streamServer(path("between")));
        QemuHub two =
            QemuHub.start(
                QemuHub.dgram(path("q2"), path("l2")),
                dgram ? QemuHub.dgram(udp[1], udp[0]) : QemuHub.streamClient(path("between")));
        NetBackend left = DatagramBackend.unix(path("l1"), path("q1"));
        NetBackend right = DatagramBackend.unix(path("l2"), path("q2"))) {
      assertGuestsReachEachOther(PlatformKind.PC, left, right);
      assertTrue(one.alive() && two.alive());
    }
  }

  /** The lab listens, QEMU connects: guest - stream over TCP - QEMU - dgram - guest. */
  @Test
  void qemuConnectsToTheLabsStream() {
    InetSocketAddress tcp = freePorts(1)[0];
    try (NetBackend left = open("stream:listen:127.0.0.1:" + tcp.getPort());
        QemuHub hub =
            QemuHub.start(QemuHub.streamClient(tcp), QemuHub.dgram(path("qemu"), path("lab")));
        NetBackend right = DatagramBackend.unix(path("lab"), path("qemu"))) {
      awaitLink(left);
      assertGuestsReachEachOther(PlatformKind.PC, left, right);
      assertCross(left, right);
      assertCross(right, left);
      assertTrue(hub.alive());
    }
  }

  /** QEMU listens, the lab connects: over unix sockets on both sides. */
  @Test
  void labConnectsToQemusStreams() {
    try (QemuHub hub =
            QemuHub.start(QemuHub.streamServer(path("qa")), QemuHub.streamServer(path("qb")));
        NetBackend left = open("stream:unix:" + path("qa"));
        NetBackend right = open("stream:unix:" + path("qb"))) {
      awaitLink(left);
      awaitLink(right);
      assertGuestsReachEachOther(PlatformKind.PC, left, right);
      assertCross(left, right);
      assertTrue(hub.alive());
    }
  }

  private static NetBackend open(String backend) {
    return BackendSpec.parse(backend).open();
  }

  private static void awaitLink(NetBackend backend) {
    long start = System.nanoTime();
    while (!backend.linkUp()) {
      assertTrue(System.nanoTime() - start < PATIENCE_NANOS, "nobody is on the other side");
      Thread.onSpinWait();
    }
  }

  @Test
  void framesOfEverySizeCrossQemuUnchanged() {
    InetSocketAddress[] udp = freePorts(2);
    try (QemuHub hub =
            QemuHub.start(QemuHub.dgram(path("qemu"), path("lab")), QemuHub.dgram(udp[0], udp[1]));
        NetBackend left = DatagramBackend.unix(path("lab"), path("qemu"));
        NetBackend right = DatagramBackend.udp(udp[1], udp[0])) {
      assertCross(left, right);
      assertCross(right, left);
      assertTrue(hub.alive());
    }
  }

  private Path path(String name) {
    return folder.resolve(name);
  }

  static InetSocketAddress[] freePorts(int count) {
    List<DatagramSocket> holders = new ArrayList<>();
    InetSocketAddress[] addresses = new InetSocketAddress[count];
    try {
      for (int i = 0; i < count; i++) {
        DatagramSocket holder = new DatagramSocket(0, InetAddress.getByName("127.0.0.1"));
        holders.add(holder);
        addresses[i] = (InetSocketAddress) holder.getLocalSocketAddress();
      }
    } catch (IOException e) {
      throw new AssertionError(e);
    } finally {
      holders.forEach(DatagramSocket::close);
    }
    return addresses;
  }

  private static void assertGuestsReachEachOther(
      PlatformKind platform, NetBackend left, NetBackend right) {
    try (Machine here = Machine.start(MachineConfig.of(platform), left, NEAR);
        Machine there = Machine.start(MachineConfig.of(PlatformKind.PC), right, FAR)) {
      assertEquals(50, GuestPings.repliesTo(here, FAR, 50, 56));
      assertEquals(50, GuestPings.repliesTo(there, NEAR, 50, 1472));
      assertEquals(here.report().frames().fromGuest(), there.report().frames().toGuest());
      assertEquals(there.report().frames().fromGuest(), here.report().frames().toGuest());
      assertEquals(0, here.report().frames().dropped() + there.report().frames().dropped());
    }
  }

  /** One at a time: QEMU may drop, and nothing here asks it not to. */
  private static void assertCross(NetBackend from, NetBackend to) {
    for (int length : new int[] {14, 60, 1514, 9014, 65_507}) {
      byte[] frame = new byte[length];
      for (int i = 0; i < length; i++) {
        frame[i] = (byte) (length + i * 7);
      }
      assertTrue(from.claim(length));
      MemorySegment.copy(
          frame, 0, from.claimed(), ValueLayout.JAVA_BYTE, from.claimedOffset(), length);
      from.commit();
      from.flush();
      awaitFrame(to, length + " bytes");
      byte[] arrived = new byte[to.peek()];
      MemorySegment.copy(
          to.peeked(), ValueLayout.JAVA_BYTE, to.peekedOffset(), arrived, 0, arrived.length);
      assertArrayEquals(frame, arrived);
      to.release();
    }
  }

  private static void awaitFrame(NetBackend backend, String what) {
    long start = System.nanoTime();
    while (backend.peek() == 0) {
      assertTrue(System.nanoTime() - start < PATIENCE_NANOS, what + " never came");
      Thread.onSpinWait();
    }
  }
}
