package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.Offload;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.fixture.Packets;
import dev.virtiolab.virtio.fixture.TestNic;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What is left to do with frames, on wires and for drivers that do it and that do not. */
class OffloadTest {
  private static final long BASIC = TestNic.BASIC;
  private static final long CSUM = FeatureBits.VIRTIO_NET_F_CSUM;
  private static final long TSO4 = FeatureBits.VIRTIO_NET_F_HOST_TSO4;
  private static final long GUEST_CSUM = FeatureBits.VIRTIO_NET_F_GUEST_CSUM;
  private static final long GUEST_TSO4 = FeatureBits.VIRTIO_NET_F_GUEST_TSO4;
  private static final long COMMANDED =
      FeatureBits.VIRTIO_NET_F_CTRL_VQ | FeatureBits.VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
  private static final int BIG_BUFFER = 0x1_1000;

  private final TestNic nic = TestNic.conventional();
  private final byte[] payload = TestNic.frame(4000, 7);
  private final byte[] frame = Packets.partial(4, 0, 0, Packets.TCP, 0x18, payload);
  private final long csum = Offload.of(1, 0, 0, 34, 16);
  private final long tso = Offload.of(1, Offload.GSO_TCPV4, 1400, 34, 16);

  @AfterEach
  void close() {
    nic.close();
  }

  private void send(byte[] bytes, long work, int hdrLen) {
    nic.putFrame(TestNic.TX_BUFFERS, bytes);
    long at = TestNic.TX_BUFFERS;
    nic.ram.set(ValueLayout.JAVA_BYTE, at, (byte) Offload.flags(work));
    nic.ram.set(ValueLayout.JAVA_BYTE, at + 1, (byte) Offload.gsoType(work));
    nic.ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 2, (short) hdrLen);
    nic.ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 4, (short) Offload.gsoSize(work));
    nic.ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 6, (short) Offload.csumStart(work));
    nic.ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 8, (short) Offload.csumOffset(work));
    nic.transmitRing().begin().readable(at, 12 + bytes.length).offer();
    nic.publishTransmit();
  }

  private void offerBig() {
    nic.receiveRing().begin().writable(TestNic.RX_BUFFERS, BIG_BUFFER).offer();
    nic.receiveRing().publish();
  }

  private byte[] received() {
    assertTrue(nic.receiveRing().poll());
    return nic.bytes(TestNic.RX_BUFFERS, nic.receiveRing().usedLength());
  }

  // ---- transmit

  @Test
  void wireThatCompletesChecksumsIsLeftWithThem() {
    nic.wire.setOffloads(Offload.CSUM);
    nic.start(BASIC | CSUM);
    send(frame, csum, 0);
    assertEquals(1, nic.device.poll(8));
    assertArrayEquals(frame, nic.wire.sent().getFirst());
    assertEquals(csum, nic.wire.sentWork().getFirst());
    send(frame, Offload.NONE, 0);
    nic.device.poll(8);
    assertEquals(Offload.NONE, nic.wire.sentWork().getLast(), "it is not kept for the next frame");
    assertEquals(0, nic.device.counters().workedOut());
  }

  @Test
  void checksumsAreCompletedForAWireThatDoesNot() {
    nic.start(BASIC | CSUM);
    send(frame, csum, 0);
    assertEquals(1, nic.device.poll(8));
    assertEquals("", Packets.whatIsWrong(nic.wire.sent().getFirst()));
    assertEquals(Offload.NONE, nic.wire.sentWork().getFirst());
    assertEquals(1, nic.device.counters().workedOut());
  }

  @Test
  void wireThatCutsSegmentsGetsTheFrameWhole() {
    nic.wire.setOffloads(Offload.CSUM | Offload.TSO4);
    nic.start(BASIC | CSUM | TSO4);
    send(frame, tso, 0xffff); // hdr_len is not believed
    assertEquals(1, nic.device.poll(8));
    assertArrayEquals(frame, nic.wire.sent().getFirst());
    assertEquals(tso, nic.wire.sentWork().getFirst());
  }

  @Test
  void segmentsAreCutForAWireThatDoesNot() {
    nic.start(BASIC | CSUM | TSO4);
    send(frame, tso, 0);
    assertEquals(3, nic.device.poll(8));
    List<byte[]> sent = nic.wire.sent();
    assertEquals(3, sent.size());
    for (byte[] segment : sent) {
      assertEquals("", Packets.whatIsWrong(segment));
    }
    assertArrayEquals(payload, Packets.joined(sent));
    assertTrue(nic.transmitRing().poll());
    assertFalse(nic.transmitRing().poll());
    assertEquals(3, nic.device.counters().framesSent());
    assertEquals(1, nic.device.counters().workedOut());
  }

  @Test
  void segmentsWaitForRoomOnTheWireAndKeepTheirOrder() {
    nic.start(BASIC | CSUM | TSO4);
    nic.wire.refuse(1);
    send(frame, tso, 0);
    byte[] plain = TestNic.frame(60, 9);
    int sent = nic.device.poll(2);
    for (int i = 0; i < 4; i++) {
      sent += nic.device.poll(1);
    }
    assertEquals(3, sent);
    nic.send(plain);
    assertEquals(1, nic.device.poll(8));
    assertArrayEquals(payload, Packets.joined(nic.wire.sent().subList(0, 3)));
    assertArrayEquals(plain, nic.wire.sent().getLast());
  }

  @Test
  void budgetBoundsSegmentsToo() {
    nic.start(BASIC | CSUM | TSO4);
    send(frame, Offload.of(1, 1, 1, 34, 16), 0); // 4000 segments of one byte
    assertEquals(64, nic.device.poll(64));
    assertEquals(64, nic.wire.sentCount());
    nic.status(0);
    nic.start(BASIC);
    assertEquals(0, nic.device.poll(64), "a reset forgets the rest");
  }

  @Test
  void offloadsThatWereNotNegotiatedAreDropped() {
    nic.start(BASIC | CSUM);
    send(frame, tso, 0);
    send(frame, Offload.of(1, Offload.GSO_UDP, 100, 34, 6), 0);
    send(frame, Offload.of(1, 0x21, 100, 34, 16), 0);
    send(frame, Offload.of(8, 0, 0, 0, 0), 0);
    send(frame, Offload.of(1, 0x80, 0, 34, 16), 0);
    nic.start(BASIC | TSO4); // without CSUM it means nothing
    send(frame, tso, 0);
    nic.device.poll(8);
    assertEquals(0, nic.wire.sentCount());
  }

  @Test
  void fieldsThatDoNotFitTheFrameAreDroppedAndCounted() {
    for (int offloads : new int[] {0, Offload.CSUM | Offload.TSO4}) {
      nic.wire.setOffloads(offloads);
      nic.start(BASIC | CSUM | TSO4);
      long before = nic.device.counters().drops(Drop.TX_BAD_OFFLOAD);
      send(frame, Offload.of(1, 0, 0, frame.length - 1, 0), 0);
      send(frame, Offload.of(1, 1, 0, 34, 16), 0);
      send(frame, Offload.of(0, 1, 100, 34, 16), 0);
      send(frame, Offload.of(1, 1, 100, 36, 16), 0);
      nic.device.poll(16);
      assertEquals(before + 4, nic.device.counters().drops(Drop.TX_BAD_OFFLOAD));
      assertEquals(0, nic.wire.sentCount());
      assertEquals(0xf, nic.status());
    }
  }

  // ---- receive

  @Test
  void driverThatTakesPartialChecksumsIsToldOfThem() {
    nic.start(BASIC | GUEST_CSUM);
    assertEquals(Offload.CSUM, nic.wire.accepted());
    offerBig();
    nic.wire.deliver(frame, csum);
    nic.device.poll(8);
    byte[] got = received();
    assertArrayEquals(new byte[] {1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 1, 0}, Arrays.copyOf(got, 12));
    assertArrayEquals(frame, Arrays.copyOfRange(got, 12, got.length));
    offerBig();
    nic.wire.deliver(frame, Offload.of(Offload.DATA_VALID, 0, 0, 0, 0));
    nic.device.poll(8);
    assertEquals(2, received()[0]);
  }

  @Test
  void driverThatTakesNoneGetsThemComplete() {
    nic.start(BASIC);
    assertEquals(0, nic.wire.accepted());
    offerBig();
    nic.wire.deliver(frame, csum | Offload.DATA_VALID);
    nic.device.poll(8);
    byte[] got = received();
    assertArrayEquals(new byte[] {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0}, Arrays.copyOf(got, 12));
    assertEquals("", Packets.whatIsWrong(Arrays.copyOfRange(got, 12, got.length)));
    assertEquals(1, nic.device.counters().workedIn());
  }

  @Test
  void driverThatTakesSegmentsGetsTheFrameWhole() {
    nic.start(BASIC | GUEST_CSUM | GUEST_TSO4);
    assertEquals(Offload.CSUM | Offload.TSO4, nic.wire.accepted());
    offerBig();
    nic.wire.deliver(frame, tso);
    nic.device.poll(8);
    byte[] got = received();
    // hdr_len: 14 of Ethernet, 20 of IPv4, 32 of TCP; gso_size 1400.
    assertArrayEquals(
        new byte[] {1, 1, 66, 0, 0x78, 5, 34, 0, 16, 0, 1, 0}, Arrays.copyOf(got, 12));
    assertArrayEquals(frame, Arrays.copyOfRange(got, 12, got.length));
  }

  @Test
  void driverThatTakesNoneGetsThemCutAsItsBuffersCome() {
    nic.start(BASIC);
    nic.wire.deliver(frame, tso);
    List<byte[]> got = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      nic.offerReceive(i, 1);
      nic.device.poll(8);
      assertTrue(nic.receiveRing().poll());
      byte[] bytes = nic.bytes(TestNic.rxBuffer(i), nic.receiveRing().usedLength());
      got.add(Arrays.copyOfRange(bytes, 12, bytes.length));
      assertEquals("", Packets.whatIsWrong(got.getLast()));
      assertEquals(i == 2 ? 0 : 1, nic.wire.waiting(), "it stays until the last piece");
    }
    assertArrayEquals(payload, Packets.joined(got));
    assertEquals(3, nic.device.counters().framesReceived());
  }

  @Test
  void commandSwitchesWhatTheDriverTakes() {
    nic.start(BASIC | COMMANDED | GUEST_CSUM | GUEST_TSO4);
    assertEquals(0, nic.command(5, 0, new byte[] {2, 0, 0, 0, 0, 0, 0, 0}));
    assertEquals(Offload.CSUM, nic.wire.accepted());
    assertEquals(0, nic.command(5, 0, new byte[8]));
    assertEquals(0, nic.wire.accepted());
    byte[] all = {(byte) 0x82, 0, 0, 0, 0, 0, 0, 0};
    assertEquals(0, nic.command(5, 0, all));
    assertEquals(Offload.CSUM | Offload.TSO4, nic.wire.accepted());
    assertEquals(1, nic.command(5, 0, new byte[] {2, 1, 0, 0, 0, 0, 0, 0}), "TSO6 was not agreed");
    assertEquals(1, nic.command(5, 0, new byte[] {1, 0, 0, 0, 0, 0, 0, 0}), "CSUM is no offload");
    assertEquals(1, nic.command(5, 0, new byte[7]));
    assertEquals(1, nic.command(5, 1, all));
    assertEquals(Offload.CSUM | Offload.TSO4, nic.wire.accepted());
    nic.status(0);
    assertEquals(0, nic.wire.accepted(), "after a reset nothing is taken");
  }

  @Test
  void workThatDoesNotFitItsFrameIsDropped() {
    nic.start(BASIC);
    nic.offerReceive(0, 2);
    nic.wire.deliver(frame, Offload.of(1, 0, 0, 0xffff, 0));
    nic.wire.deliver(frame, Offload.of(1, 2, 5, 34, 16));
    nic.wire.deliver(TestNic.frame(60, 1));
    assertEquals(1, nic.device.poll(8));
    assertEquals(2, nic.device.counters().drops(Drop.RX_BAD_OFFLOAD));
  }

  @Test
  void oneWithoutSegmentsSeesNoneOfTheMemoryThatIsReused() {
    nic.start(BASIC | GUEST_CSUM | GUEST_TSO4);
    offerBig();
    nic.wire.deliver(frame, tso);
    nic.device.poll(8);
    received();
    offerBig();
    nic.wire.deliver(TestNic.frame(60, 1));
    nic.device.poll(8);
    assertArrayEquals(
        new byte[] {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0}, Arrays.copyOf(received(), 12));
  }

  // ---- the MTU

  private static TestNic withMtu(int mtu) {
    return TestNic.of(new VirtioNet.Config(TestNic.MAC, OptionalInt.of(mtu), false, false));
  }

  /** Segments of a driver that chose them too long for the MTU that it agreed to. */
  @Test
  void piecesOfTheDriversAreHeldAgainstTheMtu() {
    try (TestNic small = withMtu(1400)) {
      // 14 + 20 + 32 bytes of headers before each piece, of which the MTU counts all but the first.
      int most = 1400 - 52;
      for (int size : new int[] {most, most + 1}) {
        small.start(BASIC | CSUM | TSO4 | FeatureBits.VIRTIO_NET_F_MTU);
        int before = small.wire.sentCount();
        long over = small.device.counters().drops(Drop.TX_OVER_MTU);
        small.putFrame(TestNic.TX_BUFFERS, frame);
        small.ram.set(ValueLayout.JAVA_LONG_UNALIGNED, TestNic.TX_BUFFERS, header(size));
        small.ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, TestNic.TX_BUFFERS + 8, (short) 16);
        small
            .transmitRing()
            .begin()
            .readable(TestNic.TX_BUFFERS, TestNic.HEADER_BYTES + frame.length)
            .offer();
        small.publishTransmit();
        small.device.poll(8);
        boolean fits = size == most;
        int last = 4000 % size == 0 ? 0 : 1;
        assertEquals(fits ? 3 : last, small.wire.sentCount() - before, "size=" + size);
        assertEquals(fits ? 0 : 2, small.device.counters().drops(Drop.TX_OVER_MTU) - over);
        assertTrue(small.transmitRing().poll());
      }
    }
  }

  /** flags, gso_type, hdr_len, gso_size and csum_start. */
  private static long header(int gsoSize) {
    return 1 | (long) Offload.GSO_TCPV4 << 8 | (long) gsoSize << 32 | 34L << 48;
  }

  @Test
  void piecesForTheDriverAreHeldAgainstTheMtu() {
    try (TestNic small = withMtu(1400)) {
      int most = 1400 - 52;
      for (int size : new int[] {most, most + 1}) {
        small.start(BASIC | FeatureBits.VIRTIO_NET_F_MTU);
        long over = small.device.counters().drops(Drop.RX_OVER_MTU);
        small.offerReceive(0, 4);
        small.wire.deliver(frame, Offload.of(1, Offload.GSO_TCPV4, size, 34, 16));
        small.wire.deliver(TestNic.frame(60, 1));
        small.device.poll(8);
        int received = 0;
        while (small.receiveRing().poll()) {
          received++;
        }
        boolean fits = size == most;
        assertEquals(fits ? 4 : 2, received, "size=" + size + ", and the frame behind it");
        assertEquals(fits ? 0 : 2, small.device.counters().drops(Drop.RX_OVER_MTU) - over);
        assertEquals(0, small.wire.waiting());
      }
    }
  }
}
