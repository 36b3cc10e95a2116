package dev.virtiolab.virtio.vhostuser;

import static dev.virtiolab.virtio.vhostuser.Served.until;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.Poll;
import dev.virtiolab.posix.UnixStream;
import dev.virtiolab.virtio.fixture.FrontEnd;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** VIRTIO_F_ACCESS_PLATFORM: every address is asked for, comes late, goes, or is refused. */
class AccessPlatformTest {
  private static final long SHIFT = 0x2000_0000L;
  private static final long FEATURES =
      FrontEnd.F_VERSION_1 | FrontEnd.F_PROTOCOL | FrontEnd.F_ACCESS_PLATFORM;

  @TempDir Path folder;

  private Served served;
  private FrontEnd peer;
  private FrontEnd back;

  @BeforeEach
  void serve() {
    served = new Served(folder);
    peer = served.connect().negotiate(FEATURES).shareMemory();
    UnixStream[] pair = UnixStream.pair();
    peer.mustTell(FrontEnd.SET_BACKEND_REQ_FD, FrontEnd.payload(0), pair[1].fd());
    pair[1].close();
    back = FrontEnd.over(pair[0]);
    channel = pair[0];
    peer.iovaShift = SHIFT;
    peer.makeRing(FrontEnd.RX, 256, false);
    peer.makeRing(FrontEnd.TX, 256, false);
  }

  private UnixStream channel;

  @AfterEach
  void stop() {
    back.close();
    peer.close();
    served.close();
  }

  private record Miss(long iova, int permission) {}

  /** The next miss. */
  private Miss miss() {
    FrontEnd.Reply asked = back.reply();
    assertEquals(1, asked.request());
    assertEquals(FrontEnd.VERSION | FrontEnd.NEED_REPLY, asked.flags());
    assertEquals(1, asked.payload().get(25), "type: a miss");
    return new Miss(asked.payload().getLong(0), asked.payload().get(24));
  }

  /** The rings were asked for before they were told; then comes what a chain is about. */
  private Miss missBehindTheRings() {
    Miss miss = miss();
    while (miss.iova < SHIFT + FrontEnd.GUEST_BASE + FrontEnd.TX_BUFFERS) {
      answer();
      miss = miss();
    }
    return miss;
  }

  private void update(long iova, long size, long user, int permission) {
    ByteBuffer message =
        FrontEnd.payload(32)
            .putLong(0, iova)
            .putLong(8, size)
            .putLong(16, user)
            .put(24, (byte) permission)
            .put(25, (byte) 2);
    assertEquals(0, peer.ask(FrontEnd.IOTLB_MSG, message).u64());
  }

  private void invalidate(long iova, long size) {
    ByteBuffer message = FrontEnd.payload(32).putLong(0, iova).putLong(8, size).put(25, (byte) 3);
    assertEquals(0, peer.ask(FrontEnd.IOTLB_MSG, message).u64());
  }

  private void answer() {
    back.send(1, FrontEnd.VERSION | FrontEnd.REPLY, FrontEnd.u64(0));
  }

  /** Answers each miss by the page it is in, until {@code done}. */
  private List<Miss> serveMissesUntil(java.util.function.BooleanSupplier done) {
    List<Miss> misses = new ArrayList<>();
    until(
        "done",
        () -> {
          try (Poll poll = new Poll(1)) {
            poll.add(channel.fd());
            if (poll.await(0) != 0) {
              Miss miss = miss();
              misses.add(miss);
              long page = miss.iova & -4096;
              update(page, 4096, page - SHIFT - FrontEnd.GUEST_BASE + FrontEnd.USER_BASE, 3);
              answer();
            }
          }
          return done.getAsBoolean();
        });
    return misses;
  }

  private void start() {
    peer.startRing(FrontEnd.RX, 0);
    peer.startRing(FrontEnd.TX, 0);
  }

  @Test
  void framesBothWaysWhileEveryPageIsAskedForOnce() {
    start();
    byte[] out = Served.frame(60, 1);
    peer.offerTransmit(0, out);
    List<Miss> misses =
        serveMissesUntil(
            () -> served.wire.sentCount() == 1 && peer.rings[FrontEnd.TX].usedIdx() == 1);
    assertTrue(peer.rings[FrontEnd.TX].poll());
    assertArrayEquals(out, served.wire.sent().getLast());
    long pages = misses.stream().map(each -> each.iova & -4096).distinct().count();
    assertTrue(misses.size() <= pages + 3, "asked for again: " + misses);

    byte[] in = Served.frame(1500, 2);
    peer.offerReceive(0, 1);
    served.wire.deliver(in);
    serveMissesUntil(() -> peer.rings[FrontEnd.RX].usedIdx() == 1);
    assertTrue(peer.rings[FrontEnd.RX].poll());
    assertTrue(peer.receivedEquals(0, peer.rings[FrontEnd.RX].usedLength(), in));
    // Everything is known now.
    for (int i = 0; i < 20; i++) {
      assertTrue(served.passes(peer, i));
    }
  }

  @Test
  void nothingIsLostWhileTranslationsComeAndGo() {
    start();
    for (int round = 0; round < 60; round++) {
      int expected = served.wire.sentCount() + 1;
      peer.offerTransmit(round % 32, Served.frame(900, round));
      serveMissesUntil(() -> served.wire.sentCount() == expected && peer.rings[FrontEnd.TX].poll());
      assertArrayEquals(Served.frame(900, round), served.wire.sent().getLast());
      int before = peer.rings[FrontEnd.RX].usedIdx();
      peer.offerReceive(round % 32, 1);
      served.wire.deliver(Served.frame(1400, round));
      serveMissesUntil(() -> peer.rings[FrontEnd.RX].usedIdx() == before + 1);
      assertTrue(peer.rings[FrontEnd.RX].poll());
      assertTrue(
          peer.receivedEquals(
              round % 32, peer.rings[FrontEnd.RX].usedLength(), Served.frame(1400, round)));
      if (round % 3 == 0) {
        invalidate(SHIFT + FrontEnd.GUEST_BASE, FrontEnd.MEMORY_BYTES);
      } else if (round % 3 == 1) {
        invalidate(0, -1); // all there is
      } else {
        invalidate(peer.rings[FrontEnd.TX].deviceArea() & -4096, 4096);
      }
    }
    assertEquals(0, served.device.counters().drops());
  }

  /** What is invalidated is touched no more: not the page that it was, and not a window kept. */
  @Test
  void anInvalidatedPageIsNotTouchedAgain() {
    start();
    long whole = SHIFT + FrontEnd.GUEST_BASE;
    update(whole, FrontEnd.MEMORY_BYTES, FrontEnd.USER_BASE, 3);
    assertTrue(served.passes(peer, 1));
    // Buffers move: the same addresses are now 1 MiB further on.
    long buffers = whole + FrontEnd.TX_BUFFERS;
    invalidate(buffers, 4096);
    update(whole, FrontEnd.TX_BUFFERS, FrontEnd.USER_BASE, 3);
    update(buffers, 4096, FrontEnd.USER_BASE + FrontEnd.TX_BUFFERS + 0x4_0000, 3);
    byte[] moved = Served.frame(60, 77);
    java.lang.foreign.MemorySegment.copy(
        moved,
        0,
        peer.ram,
        java.lang.foreign.ValueLayout.JAVA_BYTE,
        FrontEnd.TX_BUFFERS + 0x4_0000 + FrontEnd.HEADER_BYTES,
        moved.length);
    peer.offerTransmit(0, Served.frame(60, 5));
    until("sent", () -> served.wire.sentCount() == 2);
    assertArrayEquals(moved, served.wire.sent().getLast());
  }

  /** The front-end is done with the question and has told nothing: there is no translation. */
  @Test
  void aRefusedAddressCostsItsFrameAndNoMore() {
    start();
    long whole = SHIFT + FrontEnd.GUEST_BASE;
    update(whole, FrontEnd.TX_BUFFERS, FrontEnd.USER_BASE, 3);
    peer.offerTransmit(0, Served.frame(60, 1));
    Miss miss = missBehindTheRings();
    assertEquals(whole + FrontEnd.TX_BUFFERS, miss.iova & -4096);
    assertEquals(1, miss.permission, "to read");
    answer();
    until("given up", peer.rings[FrontEnd.TX]::poll);
    assertEquals(0, served.wire.sentCount());
    assertEquals(1, served.device.counters().drops());
    peer.offerTransmit(1, Served.frame(60, 2));
    serveMissesUntil(() -> served.wire.sentCount() == 1);
  }

  /**
   * A frame fills two buffers, and where the second is stands in a table that is not known yet.
   * When it is there is room enough, and no further buffer will come to say so.
   */
  @Test
  void aSecondBufferThatIsKnownLateIsAllThatTheFrameWaitsFor() {
    long merging = 1L << 15 | 1L << 28; // MRG_RXBUF, INDIRECT_DESC
    peer.mustTell(FrontEnd.SET_FEATURES, FrontEnd.u64(FEATURES | merging));
    start();
    long whole = SHIFT + FrontEnd.GUEST_BASE;
    long table = whole + FrontEnd.TX_BUFFERS;
    update(whole, FrontEnd.TX_BUFFERS, FrontEnd.USER_BASE, 3);
    update(whole + FrontEnd.RX_BUFFERS, 4096, FrontEnd.USER_BASE + FrontEnd.RX_BUFFERS, 3);
    peer.rings[FrontEnd.RX].begin().writable(peer.bus(FrontEnd.RX_BUFFERS), 100).offer();
    peer.rings[FrontEnd.RX]
        .beginIndirect(table)
        .writable(peer.bus(FrontEnd.RX_BUFFERS + 2048), 2048)
        .offer();
    peer.publish(FrontEnd.RX);
    byte[] in = Served.frame(200, 3);
    served.wire.deliver(in);
    assertEquals(table, missBehindTheRings().iova & -4096);
    assertEquals(0, peer.rings[FrontEnd.RX].usedIdx());
    update(table, 4096, FrontEnd.USER_BASE + FrontEnd.TX_BUFFERS, 3);
    answer();
    until("both are used", () -> peer.rings[FrontEnd.RX].usedIdx() == 2);
    assertTrue(peer.rings[FrontEnd.RX].poll());
    assertArrayEquals(java.util.Arrays.copyOf(in, 88), peer.received(0, 100));
    assertTrue(peer.rings[FrontEnd.RX].poll());
    assertEquals(200 - 88, peer.rings[FrontEnd.RX].usedLength());
  }

  @Test
  void anEntryThatMayOnlyBeReadIsNotWritten() {
    start();
    long whole = SHIFT + FrontEnd.GUEST_BASE;
    update(whole, FrontEnd.RX_BUFFERS, FrontEnd.USER_BASE, 3);
    update(whole + FrontEnd.RX_BUFFERS, 4096, FrontEnd.USER_BASE + FrontEnd.RX_BUFFERS, 1);
    peer.offerReceive(0, 1);
    served.wire.deliver(Served.frame(60, 1));
    Miss miss = missBehindTheRings();
    assertEquals(2, miss.permission, "to write");
    answer();
    until("given back empty", peer.rings[FrontEnd.RX]::poll);
    assertEquals(0, peer.rings[FrontEnd.RX].usedLength());
  }

  /** Until its used ring is known a ring does not start; its stop does not wait for that. */
  @Test
  void aRingStopsThatWaitsForItsTranslation() {
    start();
    assertEquals(0, peer.stopRing(FrontEnd.TX));
    assertEquals(0, peer.stopRing(FrontEnd.RX));
  }

  /** It has promised an answer, so it is not asked again. */
  @Test
  void aFrontEndThatNeverAnswersHoldsUpNobody() {
    start();
    miss();
    peer.close();
    assertTrue(served.works());
  }

  /** Without REPLY_ACK a question has no answer but the translation. */
  @Test
  void whoDoesNotAnswerQuestionsIsAskedAgain() {
    long whole = SHIFT + FrontEnd.GUEST_BASE;
    update(whole, FrontEnd.TX_BUFFERS, FrontEnd.USER_BASE, 3);
    start();
    peer.send(
        FrontEnd.SET_PROTOCOL_FEATURES,
        FrontEnd.VERSION,
        FrontEnd.u64(FrontEnd.P_ALL & ~ProtocolFeatures.REPLY_ACK));
    peer.get(FrontEnd.GET_FEATURES); // it has been seen
    long buffer = whole + FrontEnd.TX_BUFFERS;
    peer.offerTransmit(0, Served.frame(60, 1));
    for (int i = 0; i < 4; i++) {
      FrontEnd.Reply asked = back.reply();
      assertEquals(FrontEnd.VERSION, asked.flags());
      assertEquals(buffer, asked.payload().getLong(0) & -4096);
    }
    update(buffer, 4096, FrontEnd.USER_BASE + FrontEnd.TX_BUFFERS, 3);
    until("sent", () -> served.wire.sentCount() == 1);
  }
}
