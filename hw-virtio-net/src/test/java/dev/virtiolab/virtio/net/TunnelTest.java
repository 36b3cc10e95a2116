package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.Offload;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.fixture.Packets;
import dev.virtiolab.virtio.fixture.Packets.Tunnelled;
import dev.virtiolab.virtio.fixture.TestNic;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Offloads of what UDP tunnels carry, by the longer header (virtio v1.4, 5.1.6). */
class TunnelTest {
  private static final Features HOST =
      Features.of(
              TestNic.BASIC
                  | FeatureBits.VIRTIO_NET_F_CSUM
                  | FeatureBits.VIRTIO_NET_F_HOST_TSO4
                  | FeatureBits.VIRTIO_NET_F_HOST_TSO6
                  | FeatureBits.VIRTIO_NET_F_HOST_USO)
          .with(FeatureBits.VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO);
  private static final Features HOST_CSUM =
      HOST.with(FeatureBits.VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM);
  private static final Features GUEST =
      Features.of(
              TestNic.BASIC
                  | FeatureBits.VIRTIO_NET_F_GUEST_CSUM
                  | FeatureBits.VIRTIO_NET_F_GUEST_TSO4
                  | FeatureBits.VIRTIO_NET_F_GUEST_TSO6
                  | FeatureBits.VIRTIO_NET_F_GUEST_USO4
                  | FeatureBits.VIRTIO_NET_F_GUEST_USO6)
          .with(FeatureBits.VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO);
  private static final Features GUEST_CSUM =
      GUEST.with(FeatureBits.VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM);
  private static final int ALL =
      Offload.CSUM
          | Offload.TSO4
          | Offload.TSO6
          | Offload.USO4
          | Offload.USO6
          | Offload.TUNNEL
          | Offload.TUNNEL_CSUM;

  /** With the hash's room, which nobody uses. */
  private static final int HEADER = 24;

  private static final int PARTIAL = Offload.NEEDS_CSUM | Offload.TUNNEL_CSUM_PARTIAL;
  private static final int TCP4_IN_4 = Offload.GSO_TCPV4 | Offload.GSO_UDP_TUNNEL_IPV4;

  private final TestNic nic = TestNic.conventional();
  private final byte[] payload = TestNic.frame(4000, 7);
  private final byte[] carried = Packets.partial(4, 0, 0, Packets.TCP, 0x18, payload);
  private final Tunnelled frame = tunnelled(4, carried, true);
  private final Tunnelled unsummed = tunnelled(4, carried, false);
  private final int tunnel = tunnel(frame);

  private static Tunnelled tunnelled(int version, byte[] carried, boolean checksum) {
    return Packets.tunnelled(version, 0, 0, new byte[8], carried, true, checksum);
  }

  private static int tunnel(Tunnelled frame) {
    return Offload.tunnel(frame.outerTransport(), frame.innerNetwork());
  }

  private static long work(int flags, int type, Tunnelled frame) {
    return Offload.of(flags, type, 1400, frame.innerTransport(), 16);
  }

  @AfterEach
  void close() {
    nic.close();
  }

  private void send(byte[] bytes, long work, int where) {
    nic.putFrame(TestNic.TX_BUFFERS, bytes);
    long at = TestNic.TX_BUFFERS;
    nic.ram.set(ValueLayout.JAVA_BYTE, at, (byte) Offload.flags(work));
    nic.ram.set(ValueLayout.JAVA_BYTE, at + 1, (byte) Offload.gsoType(work));
    nic.ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 4, (short) Offload.gsoSize(work));
    nic.ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 6, (short) Offload.csumStart(work));
    nic.ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 8, (short) Offload.csumOffset(work));
    nic.ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 20, (short) (where >>> 16));
    nic.ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 22, (short) where);
    nic.transmitRing().begin().readable(at, HEADER + bytes.length).offer();
    nic.publishTransmit();
    nic.device.poll(64);
  }

  private byte[] receive(Tunnelled from, long work) {
    nic.receiveRing().begin().writable(TestNic.RX_BUFFERS, 0x1_1000).offer();
    nic.receiveRing().publish();
    nic.wire.deliver(from.frame(), work, tunnel(from));
    nic.device.poll(8);
    assertTrue(nic.receiveRing().poll());
    return nic.bytes(TestNic.RX_BUFFERS, nic.receiveRing().usedLength());
  }

  // ---- transmit

  @Test
  void wireThatCutsTunnelsGetsTheFrameWhole() {
    nic.wire.setOffloads(ALL);
    nic.start(HOST_CSUM);
    send(frame.frame(), work(PARTIAL, TCP4_IN_4, frame), tunnel);
    assertArrayEquals(frame.frame(), nic.wire.sent().getFirst());
    assertEquals(work(PARTIAL, TCP4_IN_4, frame), nic.wire.sentWork().getFirst());
    assertEquals(tunnel, nic.wire.sentTunnels().getFirst());
    assertEquals(0, nic.device.counters().workedOut());
  }

  /** The wire reads the type as Linux does. */
  @Test
  void wireIsToldOfTheOuterIp() {
    nic.wire.setOffloads(ALL);
    nic.start(HOST_CSUM);
    Tunnelled mixed = tunnelled(6, carried, true);
    send(mixed.frame(), work(PARTIAL, TCP4_IN_4, mixed), tunnel(mixed));
    int type = Offload.GSO_TCPV4 | Offload.GSO_UDP_TUNNEL_IPV6;
    assertEquals(work(PARTIAL, type, mixed), nic.wire.sentWork().getFirst());
  }

  @Test
  void offsetsOfAFrameWithoutATunnelAreNotUsed() {
    nic.wire.setOffloads(ALL);
    nic.start(HOST);
    long work = Offload.of(1, Offload.GSO_TCPV4, 1400, 34, 16);
    send(carried, work, Offload.tunnel(1, 2));
    assertEquals(work, nic.wire.sentWork().getFirst());
    assertEquals(0, nic.wire.sentTunnels().getFirst());
  }

  /** "The driver MUST NOT set" it; where there is no tunnel nothing follows from it. */
  @ParameterizedTest
  @ValueSource(ints = {0, ALL})
  void dataValidOfADriverIsIgnoredWithoutATunnel(int offloads) {
    nic.wire.setOffloads(offloads);
    nic.start(HOST_CSUM);
    send(carried, Offload.of(Offload.DATA_VALID, 0, 0, 14, 0), 0);
    assertArrayEquals(carried, nic.wire.sent().getFirst());
    assertEquals(Offload.NONE, nic.wire.sentWork().getFirst());
    assertEquals(0, nic.device.counters().workedOut());
  }

  @ParameterizedTest
  @ValueSource(ints = {0, Offload.CSUM | Offload.TSO4, ALL & ~Offload.TUNNEL_CSUM})
  void tunnelsAreCutForAWireThatDoesNot(int offloads) {
    nic.wire.setOffloads(offloads);
    nic.start(HOST_CSUM);
    send(frame.frame(), work(PARTIAL, TCP4_IN_4, frame), tunnel);
    List<byte[]> sent = nic.wire.sent();
    assertEquals(3, sent.size());
    for (byte[] segment : sent) {
      assertEquals("", Packets.whatIsWrong(segment));
      assertEquals("", Packets.whatIsWrong(frame.carriedBy(segment)));
    }
    assertArrayEquals(payload, Packets.joined(sent.stream().map(frame::carriedBy).toList()));
    assertEquals(1, nic.device.counters().workedOut());
    assertTrue(nic.transmitRing().poll());
  }

  @Test
  void tunnelsThatWereNotNegotiatedAreDropped() {
    nic.start(HOST.without(FeatureBits.VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO).with(GUEST));
    send(unsummed.frame(), work(1, TCP4_IN_4, unsummed), tunnel);
    nic.start(HOST);
    send(frame.frame(), work(PARTIAL, TCP4_IN_4, frame), tunnel);
    // A bit without what it needs has no effect, but for the header's length.
    nic.start(HOST.without(FeatureBits.VIRTIO_NET_F_HOST_TSO6));
    send(unsummed.frame(), work(1, TCP4_IN_4, unsummed), tunnel);
    assertEquals(3, nic.device.counters().drops(Drop.TX_OFFLOAD));
    assertEquals(0, nic.wire.sentCount());
    nic.start(HOST);
    send(unsummed.frame(), work(1, TCP4_IN_4, unsummed), tunnel);
    assertEquals(3, nic.wire.sentCount());
  }

  @Test
  void whatMustNotBeAcceptedIsNot() {
    nic.wire.setOffloads(ALL);
    nic.start(HOST_CSUM);
    int both = Offload.GSO_UDP_TUNNEL_IPV4 | Offload.GSO_UDP_TUNNEL_IPV6;
    int[][] refused = {
      {PARTIAL, Offload.GSO_TCPV4 | both},
      {Offload.TUNNEL_CSUM_PARTIAL, TCP4_IN_4},
      {PARTIAL | Offload.DATA_VALID, TCP4_IN_4},
      {PARTIAL, Offload.GSO_UDP_TUNNEL_IPV4},
      {PARTIAL, Offload.GSO_UDP | Offload.GSO_UDP_TUNNEL_IPV4},
      {PARTIAL, Offload.GSO_TCPV4},
      {Offload.TUNNEL_CSUM_PARTIAL, Offload.GSO_NONE},
    };
    for (int[] flagsAndType : refused) {
      send(frame.frame(), work(flagsAndType[0], flagsAndType[1], frame), tunnel);
    }
    assertEquals(refused.length, nic.device.counters().drops(Drop.TX_OFFLOAD));
    assertEquals(0, nic.wire.sentCount());
    send(frame.frame(), work(PARTIAL | 0x74, TCP4_IN_4, frame), tunnel); // unknown flags
    assertEquals(1, nic.wire.sentCount());
    assertEquals(work(PARTIAL, TCP4_IN_4, frame), nic.wire.sentWork().getFirst());
  }

  @ParameterizedTest
  @ValueSource(ints = {0, ALL})
  void offsetsThatAreNotTrueAreDroppedAndCounted(int offloads) {
    nic.wire.setOffloads(offloads);
    nic.start(HOST_CSUM);
    int outer = frame.outerTransport();
    int inner = frame.innerNetwork();
    int[] wrong = {
      0,
      Offload.tunnel(outer + 1, inner),
      Offload.tunnel(outer, inner + 2),
      Offload.tunnel(inner, outer),
      Offload.tunnel(outer, outer - 20),
      Offload.tunnel(outer, 0xffff),
      Offload.tunnel(0xffff, inner),
      -1
    };
    for (int where : wrong) {
      send(frame.frame(), work(PARTIAL, TCP4_IN_4, frame), where);
    }
    assertEquals(wrong.length, nic.device.counters().drops(Drop.TX_BAD_OFFLOAD));
    assertEquals(0, nic.wire.sentCount());
    assertEquals(0xf, nic.status());
  }

  @Test
  void shortHeaderIsTooShortOnceTheLongOneWasAgreed() {
    nic.start(HOST);
    nic.transmitRing().begin().readable(TestNic.TX_BUFFERS, HEADER - 1).offer();
    nic.publishTransmit();
    nic.device.poll(8);
    assertEquals(1, nic.device.counters().drops(Drop.TX_SHORT_HEADER));
  }

  // ---- receive

  @Test
  void driverThatTakesTunnelsIsToldWhereTheyAre() {
    nic.start(GUEST_CSUM);
    assertEquals(ALL, nic.wire.accepted());
    byte[] got = receive(frame, work(PARTIAL, TCP4_IN_4, frame));
    // hdr_len: 14, 20, 8 of UDP, 8 of the tunnel, 14, 20, and 32 of TCP; gso_size 1400.
    assertArrayEquals(
        new byte[] {
          9, 0x21, 116, 0, 0x78, 5, 84, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 34, 0, 64, 0
        },
        Arrays.copyOf(got, HEADER));
    assertArrayEquals(frame.frame(), Arrays.copyOfRange(got, HEADER, got.length));
    byte[] plain = TestNic.frame(60, 1);
    got = receive(new Tunnelled(plain, 1, 2, 3), Offload.NONE);
    byte[] nothing = new byte[HEADER];
    nothing[10] = 1;
    assertArrayEquals(nothing, Arrays.copyOf(got, HEADER), "nothing is left of the one before");
  }

  @Test
  void driverThatTakesNoChecksumOfTunnelsGetsItMade() {
    nic.start(GUEST);
    assertEquals(ALL & ~Offload.TUNNEL_CSUM, nic.wire.accepted());
    assertArrayEquals(payload, Packets.joined(receivedPieces(frame, PARTIAL, TCP4_IN_4, 24)));
    byte[] got = receive(unsummed, work(1, TCP4_IN_4, unsummed));
    assertEquals(0x21, got[1], "and without one it is whole");
  }

  /** What the specification and Linux name differently is left to nobody. */
  @Test
  void tunnelOverAnotherIpIsCut() {
    nic.start(GUEST_CSUM);
    Tunnelled mixed = tunnelled(6, carried, true);
    int type = Offload.GSO_TCPV4 | Offload.GSO_UDP_TUNNEL_IPV6;
    assertArrayEquals(payload, Packets.joined(receivedPieces(mixed, PARTIAL, type, 24)));
  }

  @Test
  void driverThatTakesNoTunnelsGetsThemCut() {
    nic.start(TestNic.BASIC);
    assertArrayEquals(payload, Packets.joined(receivedPieces(frame, PARTIAL, TCP4_IN_4, 12)));
    nic.start(HOST_CSUM); // The header is long for both directions, the frames are not.
    assertEquals(0, nic.wire.accepted());
    assertArrayEquals(payload, Packets.joined(receivedPieces(frame, PARTIAL, TCP4_IN_4, 24)));
  }

  private List<byte[]> receivedPieces(Tunnelled from, int flags, int type, int headerBytes) {
    nic.wire.deliver(from.frame(), work(flags, type, from), tunnel(from));
    nic.offerReceive(0, 3);
    nic.device.poll(8);
    List<byte[]> got = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      assertTrue(nic.receiveRing().poll());
      byte[] bytes = nic.bytes(TestNic.rxBuffer(i), nic.receiveRing().usedLength());
      byte[] header = new byte[headerBytes];
      header[10] = 1;
      assertArrayEquals(header, Arrays.copyOf(bytes, headerBytes));
      byte[] piece = Arrays.copyOfRange(bytes, headerBytes, bytes.length);
      assertEquals("", Packets.whatIsWrong(piece));
      assertEquals("", Packets.whatIsWrong(from.carriedBy(piece)));
      got.add(from.carriedBy(piece));
    }
    return got;
  }

  @Test
  void workThatDoesNotFitATunnelIsDropped() {
    nic.start(GUEST_CSUM);
    nic.offerReceive(0, 1);
    nic.wire.deliver(frame.frame(), work(PARTIAL, TCP4_IN_4, frame), tunnel + 1);
    nic.wire.deliver(frame.frame(), work(PARTIAL, 0x61, frame), tunnel);
    nic.wire.deliver(frame.frame(), work(0, TCP4_IN_4, frame), tunnel);
    nic.wire.deliver(TestNic.frame(60, 1));
    assertEquals(1, nic.device.poll(8));
    assertEquals(3, nic.device.counters().drops(Drop.RX_BAD_OFFLOAD));
  }

  /** 5.1.6.5.8: bits 46 and 47 of the command. */
  @Test
  void commandSwitchesTunnelsByNumbersOfTheirOwn() {
    long control = FeatureBits.VIRTIO_NET_F_CTRL_VQ | FeatureBits.VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
    nic.start(GUEST_CSUM.with(control));
    assertEquals(ALL, nic.wire.accepted());
    long plain = GUEST.low() & ~TestNic.BASIC;
    assertEquals(0, offloads(plain));
    assertEquals(ALL & ~(Offload.TUNNEL | Offload.TUNNEL_CSUM), nic.wire.accepted());
    assertEquals(0, offloads(plain | 1L << 46));
    assertEquals(ALL & ~Offload.TUNNEL_CSUM, nic.wire.accepted());
    assertEquals(0, offloads(plain | 3L << 46));
    assertEquals(ALL, nic.wire.accepted());
    assertEquals(0, offloads(2L | 3L << 46), "without segments there is nothing to be carried");
    assertEquals(Offload.CSUM, nic.wire.accepted());
    assertEquals(1, offloads(plain | 1L << 45));
    nic.start(GUEST.with(control));
    assertEquals(1, offloads(plain | 1L << 47), "was not agreed");
    assertEquals(0, offloads(plain | 1L << 46));
    nic.start(GUEST.low() | control);
    assertEquals(1, offloads(plain | 1L << 46), "was not agreed");
  }

  private int offloads(long bits) {
    byte[] data = new byte[8];
    for (int i = 0; i < data.length; i++) {
      data[i] = (byte) (bits >>> 8 * i);
    }
    return nic.command(5, 0, data);
  }

  // ---- what is offered

  @Test
  void tunnelsAreOfferedWithWhatTheyCarryOnly() {
    long[] needed = {
      FeatureBits.VIRTIO_NET_F_CSUM,
      FeatureBits.VIRTIO_NET_F_HOST_TSO4,
      FeatureBits.VIRTIO_NET_F_HOST_TSO6,
      FeatureBits.VIRTIO_NET_F_HOST_USO
    };
    for (long each : needed) {
      assertEquals(0b110, NetFeatures.consistent(NetFeatures.USUAL.without(each)).high());
    }
    long[] taken = {
      FeatureBits.VIRTIO_NET_F_GUEST_CSUM,
      FeatureBits.VIRTIO_NET_F_GUEST_TSO4,
      FeatureBits.VIRTIO_NET_F_GUEST_TSO6,
      FeatureBits.VIRTIO_NET_F_GUEST_USO4,
      FeatureBits.VIRTIO_NET_F_GUEST_USO6
    };
    for (long each : taken) {
      assertEquals(0b11000, NetFeatures.consistent(NetFeatures.USUAL.without(each)).high());
    }
    assertEquals(0x1e, NetFeatures.consistent(NetFeatures.USUAL).high());
    int[][] withoutAndLeft = {{65, 0x18}, {66, 0x1a}, {67, 0x06}, {68, 0x0e}};
    for (int[] pair : withoutAndLeft) {
      Features rest = NetFeatures.USUAL.without(Features.bit(pair[0]));
      assertEquals(pair[1], NetFeatures.consistent(rest).high(), "without " + pair[0]);
    }
  }
}
