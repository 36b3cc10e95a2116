package dev.virtiolab.virtio.offload;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.Offload;
import dev.virtiolab.virtio.fixture.Packets;
import dev.virtiolab.virtio.fixture.Packets.Tunnelled;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Pieces of what a UDP tunnel carries against a slow model, and offsets that are not true. */
class TunnelOffloadTest {
  private static final long SEED = Long.getLong("virtiolab.seed", System.nanoTime());
  private static final int CSUM = Offload.NEEDS_CSUM;
  private static final int IPV4 = Offload.GSO_UDP_TUNNEL_IPV4;
  private static final int IPV6 = Offload.GSO_UDP_TUNNEL_IPV6;

  /** RFC 7348, 5: a VNI of 7. */
  private static final byte[] VXLAN = {8, 0, 0, 0, 0, 0, 7, 0};

  private final OffloadRig rig = new OffloadRig();
  private final SoftwareOffload software = rig.software;

  private boolean begin(byte[] frame, long work, int tunnel) {
    return rig.begin(frame, work, tunnel);
  }

  private boolean beginTight(byte[] frame, long work, int tunnel) {
    return software.begin(MemorySegment.ofArray(frame), 0, frame.length, work, tunnel);
  }

  private static int tunnel(Tunnelled frame) {
    return Offload.tunnel(frame.outerTransport(), frame.innerNetwork());
  }

  // ---- cut and put together again

  /** Either IP in either, TCP and UDP, with a checksum of the tunnel's own and without. */
  @Test
  void anyTunnelIsCutIntoTunnelsThatAreRightAndCarryTheSame() {
    SplittableRandom random = new SplittableRandom(SEED);
    for (int i = 0; i < 800; i++) {
      int outer = random.nextBoolean() ? 4 : 6;
      int inner = random.nextBoolean() ? 4 : 6;
      boolean tcp = random.nextBoolean();
      boolean checksum = random.nextBoolean();
      boolean ethernet = random.nextInt(4) != 0;
      byte[] payload = new byte[random.nextInt(i % 50 == 0 ? 62_000 : 9_000)];
      random.nextBytes(payload);
      byte[] header = new byte[random.nextInt(30)]; // of an odd length, too
      random.nextBytes(header);
      byte[] carried =
          Packets.partial(
              inner,
              ethernet ? random.nextInt(2) : 0,
              random.nextInt(2) * 8,
              tcp ? Packets.TCP : Packets.UDP,
              0xd9, // CWR, ECE, ACK, PSH, FIN
              payload);
      Tunnelled whole =
          Packets.tunnelled(
              outer, random.nextInt(3), random.nextInt(2) * 8, header, carried, ethernet, checksum);
      int size = 1 + random.nextInt(3000);
      int type = tcp ? (inner == 4 ? Offload.GSO_TCPV4 : Offload.GSO_TCPV6) : Offload.GSO_UDP_L4;
      int named = random.nextBoolean() ? outer : inner;
      long work =
          Offload.of(
              CSUM | (checksum ? Offload.TUNNEL_CSUM_PARTIAL : 0),
              type | (named == 4 ? IPV4 : IPV6) | (tcp ? Offload.GSO_ECN : 0),
              size,
              whole.innerTransport(),
              tcp ? 16 : 6);
      String what =
          "v%d in v%d tcp=%s checksum=%s ethernet=%s size=%d -Dvirtiolab.seed=%d"
              .formatted(inner, outer, tcp, checksum, ethernet, size, SEED);
      assertTrue(begin(whole.frame(), work, tunnel(whole)), what);
      assertEquals(inner, software.ipVersion(), what);
      assertEquals(outer, software.outerIpVersion(), what);
      assertEquals(whole.frame().length - payload.length, software.headerBytes(), what);
      List<byte[]> pieces = rig.pieces();
      assertEquals(Math.max(1, (payload.length + size - 1) / size), pieces.size(), what);
      List<byte[]> unwrapped = new ArrayList<>();
      for (int p = 0; p < pieces.size(); p++) {
        byte[] piece = pieces.get(p);
        assertEquals("", whole.whatIsWrong(piece, p, checksum), what + " piece " + p);
        int network = Packets.network(piece);
        assertArrayEquals(
            Arrays.copyOf(whole.frame(), network), Arrays.copyOf(piece, network), what);
        byte[] frame = whole.carriedBy(piece);
        if (tcp) {
          int at = Packets.transport(frame);
          boolean last = p == pieces.size() - 1;
          int flags = 0x50 | (p == 0 ? 0x80 : 0) | (last ? 0x09 : 0);
          assertEquals(flags, frame[at + 13] & 0xff, what);
        }
        unwrapped.add(frame);
      }
      assertArrayEquals(payload, Packets.joined(unwrapped), what);
    }
  }

  /** 5.1.6.2.1: what a driver computed for segments of one length; the last may be shorter. */
  @Test
  void checksumThatTheDriverMadeIsRightInEachPiece() {
    byte[] carried = Packets.partial(4, 0, 0, Packets.TCP, 0x10, new byte[2500]);
    Tunnelled whole = Packets.tunnelled(4, 0, 0, VXLAN, carried, true, false);
    Packets.put16(whole.frame(), whole.outerTransport() + 6, 0x1234);
    assertTrue(begin(whole.frame(), good(whole), tunnel(whole)));
    for (byte[] piece : rig.pieces()) {
      assertEquals("", Packets.whatIsWrong(piece));
    }
  }

  // ---- what is refused

  private static Tunnelled vxlan(int outer, int inner, int protocol) {
    byte[] carried = Packets.partial(inner, 0, 0, protocol, 0x10, new byte[200]);
    return Packets.tunnelled(outer, 0, 0, VXLAN, carried, true, true);
  }

  private static long good(Tunnelled whole) {
    return Offload.of(CSUM, Offload.GSO_TCPV4 | IPV4, 100, whole.innerTransport(), 16);
  }

  /** 14 of Ethernet, 20 of IPv4, 8 of UDP, 8 of VXLAN, 14 of Ethernet, 20 of IPv4. */
  @Test
  void exampleOfTheSpecificationIsTaken() {
    Tunnelled whole = vxlan(4, 4, Packets.TCP);
    assertEquals(84, whole.innerTransport());
    assertEquals(64, whole.innerNetwork());
    assertEquals(34, whole.outerTransport());
    assertEquals(0x21, Offload.gsoType(good(whole)));
    assertTrue(begin(whole.frame(), good(whole), Offload.tunnel(34, 64)));
  }

  /** In memory that ends where the frame does: nothing is looked at behind it. */
  @Test
  void everyOtherOffsetIsRefused() {
    Tunnelled whole = vxlan(4, 4, Packets.TCP);
    long good = good(whole);
    int outer = whole.outerTransport();
    int inner = whole.innerNetwork();
    for (int wrong = 0; wrong <= 0xffff; wrong++) {
      if (wrong != outer) {
        assertFalse(
            beginTight(whole.frame(), good, Offload.tunnel(wrong, inner)), "outer " + wrong);
      }
      if (wrong != inner) {
        assertFalse(
            beginTight(whole.frame(), good, Offload.tunnel(outer, wrong)), "inner " + wrong);
      }
      if (wrong != whole.innerTransport()) {
        long work = Offload.of(CSUM, Offload.GSO_TCPV4 | IPV4, 100, wrong, 16);
        assertFalse(beginTight(whole.frame(), work, tunnel(whole)), "start " + wrong);
      }
      if (wrong != 16) {
        long work = Offload.of(CSUM, Offload.GSO_TCPV4 | IPV4, 100, whole.innerTransport(), wrong);
        assertFalse(beginTight(whole.frame(), work, tunnel(whole)), "offset " + wrong);
      }
      assertFalse(software.pending());
    }
    assertTrue(beginTight(whole.frame(), good, tunnel(whole)));
  }

  /** An inner header that a driver makes up must not lie in the outer ones. */
  @Test
  void whatIsCarriedLiesBehindTheTunnelsHeaders() {
    Tunnelled whole = vxlan(4, 4, Packets.UDP);
    int udp = whole.outerTransport();
    for (int at = 0; at < udp + 8; at++) {
      long work = Offload.of(CSUM, Offload.GSO_UDP_L4 | IPV4, 100, udp, 6);
      assertFalse(begin(whole.frame(), work, Offload.tunnel(udp, at)), "inner " + at);
    }
    long work = Offload.of(CSUM, Offload.GSO_UDP_L4 | IPV4, 100, whole.innerTransport(), 6);
    assertTrue(begin(whole.frame(), work, tunnel(whole)));
  }

  @Test
  void fieldsThatTheDeviceMustNotAcceptAreOfNoKind() {
    int start = 84;
    int tcp = Offload.GSO_TCPV4;
    for (long bad :
        new long[] {
          Offload.of(CSUM, tcp | IPV4 | IPV6, 100, start, 16),
          Offload.of(0, tcp | IPV4, 100, start, 16), // no NEEDS_CSUM
          Offload.of(CSUM | Offload.DATA_VALID, tcp | IPV4, 100, start, 16),
          Offload.of(CSUM, IPV4, 100, start, 16), // nothing to cut
          Offload.of(CSUM, IPV6 | Offload.GSO_ECN, 100, start, 16),
          Offload.of(CSUM, Offload.GSO_UDP | IPV4, 104, start, 6), // fragments
          Offload.of(CSUM | 8, tcp, 100, start, 16), // a tunnel's checksum without one
          Offload.of(CSUM | 8, 0, 0, start, 16),
          Offload.of(8, 0, 0, 0, 0),
          Offload.of(CSUM, 2 | IPV4, 100, start, 16), // no type
          Offload.of(CSUM, Offload.GSO_UDP_L4 | IPV4 | Offload.GSO_ECN, 100, start, 6),
        }) {
      assertEquals(-1, Offload.kinds(bad), Long.toHexString(bad));
      Tunnelled whole = vxlan(4, 4, tcp == 1 ? Packets.TCP : Packets.UDP);
      assertFalse(begin(whole.frame(), bad, tunnel(whole)), Long.toHexString(bad));
    }
    assertEquals(
        Offload.CSUM | Offload.TSO6 | Offload.ECN | Offload.TUNNEL | Offload.TUNNEL_CSUM,
        Offload.kinds(Offload.of(9, Offload.GSO_TCPV6 | 0xa0, 1, 2, 16)));
  }

  @Test
  void typeNamesWhatIsThere() {
    // The carried TCP, and the IP of the tunnel or of what it carries.
    Tunnelled six = vxlan(6, 6, Packets.TCP);
    Tunnelled four = vxlan(4, 4, Packets.TCP);
    long sixes = Offload.of(CSUM, Offload.GSO_TCPV6 | IPV6, 100, six.innerTransport(), 16);
    assertTrue(begin(six.frame(), sixes, tunnel(six)));
    long otherTunnel = Offload.of(CSUM, Offload.GSO_TCPV6 | IPV4, 100, six.innerTransport(), 16);
    assertFalse(begin(six.frame(), otherTunnel, tunnel(six)));
    long otherTcp = Offload.of(CSUM, Offload.GSO_TCPV4 | IPV6, 100, six.innerTransport(), 16);
    assertFalse(begin(six.frame(), otherTcp, tunnel(six)));
    long bent = Offload.of(CSUM, Offload.GSO_TCPV4 | IPV6, 100, four.innerTransport(), 16);
    assertFalse(begin(four.frame(), bent, tunnel(four)));
    // Mixed ones are named by either, and by the outer one on a wire.
    Tunnelled mixed = vxlan(4, 6, Packets.TCP);
    for (int named : new int[] {IPV4, IPV6}) {
      long work = Offload.of(CSUM, Offload.GSO_TCPV6 | named, 100, mixed.innerTransport(), 16);
      assertTrue(begin(mixed.frame(), work, tunnel(mixed)));
      assertEquals(Offload.GSO_TCPV6 | IPV4, Offload.gsoType(software.forWire(work)));
    }
  }

  @Test
  void tunnelOfTcpAndFragmentsOfATunnelAreRefused() {
    Tunnelled whole = vxlan(4, 4, Packets.TCP);
    byte[] fragment = whole.frame().clone();
    fragment[14 + 6] = 0x20; // MF
    assertFalse(begin(fragment, good(whole), tunnel(whole)));
    byte[] innerFragment = whole.frame().clone();
    innerFragment[whole.innerNetwork() + 7] = 1;
    assertFalse(begin(innerFragment, good(whole), tunnel(whole)));
    byte[] tcp = whole.frame().clone();
    tcp[14 + 9] = Packets.TCP;
    tcp[34 + 12] = 0x50; // its own header is there, too
    assertFalse(begin(tcp, good(whole), tunnel(whole)));
  }

  @Test
  void truncatedAndBentTunnelsAreRefusedOrCutWithinTheFrame() {
    SplittableRandom random = new SplittableRandom(SEED);
    int taken = 0;
    for (int i = 0; i < 30_000; i++) {
      boolean tcp = random.nextBoolean();
      int inner = random.nextBoolean() ? 4 : 6;
      byte[] carried =
          Packets.partial(
              inner,
              random.nextInt(2),
              random.nextInt(3) * 8,
              tcp ? Packets.TCP : Packets.UDP,
              random.nextInt(),
              new byte[random.nextInt(100)]);
      Tunnelled whole =
          Packets.tunnelled(
              random.nextBoolean() ? 4 : 6,
              random.nextInt(3),
              random.nextInt(3) * 8,
              new byte[random.nextInt(20)],
              carried,
              true,
              random.nextBoolean());
      byte[] frame = whole.frame();
      if (random.nextInt(3) == 0) {
        frame = Arrays.copyOf(frame, random.nextInt(frame.length + 1));
      }
      for (int bent = random.nextInt(4); bent > 0 && frame.length > 0; bent--) {
        frame[random.nextInt(frame.length)] = (byte) random.nextInt();
      }
      int type = tcp ? (inner == 4 ? Offload.GSO_TCPV4 : Offload.GSO_TCPV6) : Offload.GSO_UDP_L4;
      long work =
          Offload.of(
              random.nextBoolean() ? 1 : 9,
              type | (random.nextBoolean() ? IPV4 : IPV6),
              random.nextInt(200),
              random.nextInt(10) == 0 ? random.nextInt(0x10000) : whole.innerTransport(),
              tcp ? 16 : 6);
      int tunnel =
          random.nextInt(10) == 0
              ? Offload.tunnel(random.nextInt(200), random.nextInt(200))
              : tunnel(whole);
      if (begin(frame, work, tunnel)) {
        int pieces = rig.pieces().size();
        assertTrue(pieces <= frame.length + 1, "-Dvirtiolab.seed=" + SEED);
        taken++;
      }
    }
    assertNotEquals(0, taken, "some are whole");
  }
}
