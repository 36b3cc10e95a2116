package dev.virtiolab.virtio.offload;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.Offload;
import dev.virtiolab.virtio.fixture.Packets;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Checksums and pieces against a slow model, and fields that are not true of their frame. */
class SoftwareOffloadTest {
  private static final long SEED = Long.getLong("virtiolab.seed", System.nanoTime());

  private final OffloadRig rig = new OffloadRig();
  private final SoftwareOffload software = rig.software;

  private boolean begin(byte[] frame, long work) {
    return rig.begin(frame, work, 0);
  }

  private static long work(byte[] frame, int type, int size) {
    boolean udp = type == Offload.GSO_UDP || type == Offload.GSO_UDP_L4;
    return Offload.of(Offload.NEEDS_CSUM, type, size, Packets.transport(frame), udp ? 6 : 16);
  }

  @Test
  void sumsAsTheModelDoesAtAnyLengthAndOffset() {
    SplittableRandom random = new SplittableRandom(SEED);
    for (int i = 0; i < 2000; i++) {
      byte[] bytes = new byte[random.nextInt(200)];
      random.nextBytes(bytes);
      if (i % 7 == 0) {
        Arrays.fill(bytes, (byte) 0xff);
      }
      int from = random.nextInt(bytes.length + 1);
      MemorySegment segment = MemorySegment.ofArray(bytes);
      int sum = InternetChecksum.finish(InternetChecksum.sum(segment, from, bytes.length - from));
      assertEquals(Packets.checksum(bytes, from, bytes.length, 0), sum, "-Dvirtiolab.seed=" + SEED);
    }
  }

  @Test
  void anyFrameIsCutIntoFramesThatAreRightAndHoldTheSame() {
    SplittableRandom random = new SplittableRandom(SEED);
    for (int i = 0; i < 600; i++) {
      int version = random.nextBoolean() ? 4 : 6;
      boolean tcp = random.nextBoolean();
      byte[] payload = new byte[random.nextInt(i % 50 == 0 ? 65_000 : 9_000)];
      random.nextBytes(payload);
      int options = random.nextInt(2) * 8;
      byte[] frame =
          Packets.partial(
              version,
              random.nextInt(3),
              options,
              tcp ? Packets.TCP : Packets.UDP,
              0xd9, // CWR, ECE, ACK, PSH, FIN
              payload);
      int size = 1 + random.nextInt(3000);
      int type = tcp ? (version == 4 ? Offload.GSO_TCPV4 : Offload.GSO_TCPV6) : Offload.GSO_UDP_L4;
      String what = "v" + version + " tcp=" + tcp + " size=" + size + " -Dvirtiolab.seed=" + SEED;
      assertTrue(begin(frame, work(frame, type | (tcp ? Offload.GSO_ECN : 0), size)), what);
      List<byte[]> pieces = rig.pieces();
      assertEquals(Math.max(1, (payload.length + size - 1) / size), pieces.size(), what);
      int transport = Packets.transport(frame);
      int ip = Packets.network(frame);
      for (int p = 0; p < pieces.size(); p++) {
        byte[] piece = pieces.get(p);
        assertEquals("", Packets.whatIsWrong(piece), what + " piece " + p);
        if (version == 4) {
          assertEquals(0xfffe + p & 0xffff, Packets.u16(piece, ip + 4), what);
        }
        if (tcp) {
          long sequence =
              (long) Packets.u16(piece, transport + 4) << 16 | Packets.u16(piece, transport + 6);
          assertEquals((0xffff_f000L + (long) p * size) & 0xffff_ffffL, sequence, what);
          boolean last = p == pieces.size() - 1;
          int flags = piece[transport + 13] & 0xff;
          assertEquals(0x50 | (p == 0 ? 0x80 : 0) | (last ? 0x09 : 0), flags, what);
        }
        assertArrayEquals(Arrays.copyOf(frame, ip), Arrays.copyOf(piece, ip), what);
      }
      assertArrayEquals(payload, Packets.joined(pieces), what);
    }
  }

  @Test
  void aDatagramIsCutIntoFragmentsThatMakeItAgain() {
    SplittableRandom random = new SplittableRandom(SEED);
    for (int i = 0; i < 300; i++) {
      int version = random.nextBoolean() ? 4 : 6;
      byte[] payload = new byte[random.nextInt(i % 30 == 0 ? 65_000 : 9_000)];
      random.nextBytes(payload);
      byte[] frame =
          Packets.partial(
              version, random.nextInt(3), random.nextInt(2) * 8, Packets.UDP, 0, payload);
      int size = 8 + random.nextInt(3000);
      String what = "v" + version + " size=" + size + " -Dvirtiolab.seed=" + SEED;
      assertTrue(begin(frame, work(frame, Offload.GSO_UDP, size)), what);
      byte[] whole = Packets.defragmented(rig.pieces());
      assertEquals("", Packets.whatIsWrong(whole), what);
      assertArrayEquals(payload, Packets.joined(List.of(whole)), what);
    }
  }

  @Test
  void aChecksumAloneIsCompletedInOnePiece() {
    for (int version : new int[] {4, 6}) {
      for (int protocol : new int[] {Packets.TCP, Packets.UDP}) {
        byte[] frame = Packets.partial(version, 1, 0, protocol, 0x10, new byte[101]);
        long work =
            Offload.of(
                Offload.NEEDS_CSUM,
                0,
                0,
                Packets.transport(frame),
                protocol == Packets.TCP ? 16 : 6);
        assertTrue(begin(frame, work));
        List<byte[]> pieces = rig.pieces();
        assertEquals(1, pieces.size());
        assertEquals("", Packets.whatIsWrong(pieces.getFirst()));
        software.complete(rig.memory, OffloadRig.FRAME, frame.length, work);
        assertArrayEquals(
            pieces.getFirst(),
            rig.memory.asSlice(OffloadRig.FRAME, frame.length).toArray(ValueLayout.JAVA_BYTE));
      }
    }
  }

  @Test
  void fieldsThatAreNotTrueOfTheFrameAreRefused() {
    byte[] frame = Packets.partial(4, 0, 0, Packets.TCP, 0x10, new byte[200]);
    long good = work(frame, Offload.GSO_TCPV4, 100);
    assertTrue(begin(frame, good));
    int start = Packets.transport(frame);
    int csum = Offload.NEEDS_CSUM;
    for (long bad :
        new long[] {
          Offload.of(0, Offload.GSO_TCPV4, 100, start, 16), // no NEEDS_CSUM
          Offload.of(csum, Offload.GSO_TCPV4, 0, start, 16), // no progress
          Offload.of(csum, Offload.GSO_TCPV6, 100, start, 16), // the other IP
          Offload.of(csum, Offload.GSO_UDP_L4, 100, start, 6), // the other protocol
          Offload.of(csum, Offload.GSO_UDP, 100, start, 6),
          Offload.of(csum, Offload.GSO_TCPV4, 100, start + 2, 16), // another place
          Offload.of(csum, Offload.GSO_TCPV4, 100, start, 14), // another field
          Offload.of(csum, 2, 100, start, 16), // no type
          Offload.of(csum, 0, 0, 13, 0), // in the Ethernet header
          Offload.of(csum, 0, 0, frame.length - 1, 0), // outside
          Offload.of(csum, 0, 0, frame.length, 0),
          Offload.of(csum, 0, 0, start, frame.length - start - 1),
          Offload.of(csum, 0, 0, 0xffff, 0xffff),
        }) {
      assertFalse(begin(frame, bad), Long.toHexString(bad));
      assertFalse(software.pending());
    }
    assertTrue(begin(frame, Offload.of(csum, 0, 0, frame.length - 2, 0)));
    byte[] datagram = Packets.partial(4, 0, 0, Packets.UDP, 0, new byte[200]);
    assertFalse(begin(datagram, work(datagram, Offload.GSO_UDP, 7)), "no fragment has 7 bytes");
  }

  @Test
  void truncatedAndBentHeadersAreRefusedOrCutWithinTheFrame() {
    SplittableRandom random = new SplittableRandom(SEED);
    for (int i = 0; i < 30_000; i++) {
      int version = random.nextBoolean() ? 4 : 6;
      boolean tcp = random.nextBoolean();
      byte[] frame =
          Packets.partial(
              version,
              random.nextInt(4),
              random.nextInt(3) * 8,
              tcp ? Packets.TCP : Packets.UDP,
              random.nextInt(),
              new byte[random.nextInt(100)]);
      int transport = Packets.transport(frame);
      if (random.nextInt(3) == 0) {
        frame = Arrays.copyOf(frame, random.nextInt(frame.length + 1));
      }
      for (int bent = random.nextInt(4); bent > 0 && frame.length > 0; bent--) {
        frame[random.nextInt(frame.length)] = (byte) random.nextInt();
      }
      int[] types = {1, 3, 4, 5, 0x81, 0};
      long work =
          Offload.of(
              1,
              types[random.nextInt(types.length)],
              random.nextInt(200),
              random.nextInt(10) == 0 ? random.nextInt(0x10000) : transport,
              tcp ? 16 : 6);
      if (begin(frame, work)) {
        int pieces = rig.pieces().size();
        assertTrue(pieces <= frame.length + 1, "-Dvirtiolab.seed=" + SEED);
      }
    }
  }
}
