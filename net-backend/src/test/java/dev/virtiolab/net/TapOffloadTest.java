package dev.virtiolab.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntPredicate;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The kernel's TCP on a TAP, with a station behind it that answers one handshake by hand. */
class TapOffloadTest {
  private static final long DEADLINE_NANOS = 20_000_000_000L;
  private static final int IP = 14;
  private static final int TCP = 34;
  private static final int SYN = 2;
  private static final int ACK = 16;
  private static final int DATA_BYTES = 12_000;
  private static final int MSS = 1460;

  @BeforeEach
  void needsATap() {
    Requirements.assumeTap();
    Requirements.assumeProgram("ip", "iproute2");
  }

  /**
   * The station's answer has a partial checksum, which the kernel completes, or there would be no
   * connection. What the kernel sends comes whole where that was accepted, and else cut and with
   * its checksums complete.
   */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void segmentsOfTheKernelComeWholeWhereThatIsAccepted(boolean accepted)
      throws IOException, InterruptedException {
    try (TapBackend tap = TapBackend.open("");
        SocketChannel channel = SocketChannel.open()) {
      tap.accept(accepted ? tap.offloads() : 0);
      ip("link", "set", tap.name(), "up");
      ip("address", "add", "198.18.79.1/30", "dev", tap.name());
      ip("neigh", "add", "198.18.79.2", "dev", tap.name(), "lladdr", "02:00:00:00:00:01");
      channel.configureBlocking(false);
      channel.connect(new InetSocketAddress("198.18.79.2", 7777));
      byte[] syn = nextTcp(tap, flags -> (flags & SYN) != 0).frame;
      send(tap, synAck(syn));
      long deadline = System.nanoTime() + DEADLINE_NANOS;
      while (!channel.finishConnect()) {
        assertTrue(System.nanoTime() < deadline, "the kernel must take the answer");
        Thread.onSpinWait();
      }
      assertEquals(DATA_BYTES, channel.write(ByteBuffer.wrap(new byte[DATA_BYTES])));
      int got = 0;
      int longest = 0;
      while (got < DATA_BYTES) {
        Look look = nextTcp(tap, flags -> true);
        int payload = u16(look.frame, IP + 2) - 20 - (look.frame[TCP + 12] >>> 4 & 0xf) * 4;
        got += payload;
        longest = Math.max(longest, payload);
        if (payload > MSS) {
          assertEquals(Offload.GSO_TCPV4, Offload.gsoType(look.work));
          assertEquals(MSS, Offload.gsoSize(look.work));
          assertEquals(TCP, Offload.csumStart(look.work));
          assertEquals(16, Offload.csumOffset(look.work));
          assertTrue(Offload.needsCsum(look.work));
        }
        if (!accepted) {
          assertEquals(0, Offload.kinds(look.work));
          assertEquals(0, checksum(look.frame), "complete");
        }
      }
      assertTrue(accepted ? longest > MSS : longest <= MSS, "longest=" + longest);
    }
  }

  private record Look(byte[] frame, long work) {}

  /** The next frame of TCP whose flags are looked for; others are dropped. */
  private static Look nextTcp(TapBackend tap, IntPredicate wanted) {
    long deadline = System.nanoTime() + DEADLINE_NANOS;
    while (true) {
      assertTrue(System.nanoTime() < deadline, "no such frame");
      int length = tap.peek();
      if (length == 0) {
        Thread.onSpinWait();
        continue;
      }
      byte[] frame =
          tap.peeked().asSlice(tap.peekedOffset(), length).toArray(ValueLayout.JAVA_BYTE);
      long work = tap.peekedOffload();
      tap.release();
      if (length >= TCP + 20
          && u16(frame, 12) == 0x0800
          && frame[IP + 9] == 6
          && u16(frame, TCP + 2) == 7777
          && wanted.test(frame[TCP + 13])) {
        return new Look(frame, work);
      }
    }
  }

  private static byte[] synAck(byte[] syn) {
    byte[] answer = new byte[TCP + 24];
    System.arraycopy(syn, 6, answer, 0, 6);
    answer[6] = 2;
    answer[11] = 1;
    put16(answer, 12, 0x0800);
    answer[IP] = 0x45;
    put16(answer, IP + 2, 44);
    answer[IP + 8] = 64;
    answer[IP + 9] = 6;
    System.arraycopy(syn, IP + 16, answer, IP + 12, 4);
    System.arraycopy(syn, IP + 12, answer, IP + 16, 4);
    put16(answer, IP + 10, ~sum(answer, IP, TCP, 0));
    put16(answer, TCP, u16(syn, TCP + 2));
    put16(answer, TCP + 2, u16(syn, TCP));
    int low = u16(syn, TCP + 6) + 1;
    put16(answer, TCP + 8, u16(syn, TCP + 4) + (low >>> 16));
    put16(answer, TCP + 10, low);
    answer[TCP + 12] = 0x60;
    answer[TCP + 13] = SYN | ACK;
    put16(answer, TCP + 14, 0xffff);
    answer[TCP + 20] = 2;
    answer[TCP + 21] = 4;
    put16(answer, TCP + 22, MSS);
    put16(answer, TCP + 16, sum(answer, IP + 12, IP + 20, 6 + 24));
    return answer;
  }

  private static void send(TapBackend tap, byte[] frame) {
    assertTrue(tap.claim(frame.length));
    MemorySegment.copy(
        frame, 0, tap.claimed(), ValueLayout.JAVA_BYTE, tap.claimedOffset(), frame.length);
    tap.claimedOffload(Offload.of(Offload.NEEDS_CSUM, 0, 0, TCP, 16), 0);
    tap.commit();
    tap.flush();
    assertEquals(0, tap.counters().droppedOut());
  }

  /** 0 if the checksum of a TCP segment over IPv4 is right. */
  private static int checksum(byte[] frame) {
    int end = IP + u16(frame, IP + 2);
    int pseudoHeader = sum(frame, IP + 12, IP + 20, 6 + end - TCP);
    return ~sum(frame, TCP, end, pseudoHeader) & 0xffff;
  }

  private static int sum(byte[] bytes, int from, int to, int start) {
    int sum = start;
    for (int i = from; i < to; i += 2) {
      sum += (bytes[i] & 0xff) << 8 | (i + 1 < to ? bytes[i + 1] & 0xff : 0);
      sum = (sum & 0xffff) + (sum >>> 16);
    }
    return sum;
  }

  private static int u16(byte[] bytes, int at) {
    return (bytes[at] & 0xff) << 8 | bytes[at + 1] & 0xff;
  }

  private static void put16(byte[] bytes, int at, int value) {
    bytes[at] = (byte) (value >>> 8);
    bytes[at + 1] = (byte) value;
  }

  private static void ip(String... arguments) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("ip"));
    command.addAll(List.of(arguments));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes());
    assertEquals(0, process.waitFor(), command + ": " + output);
  }
}
