package dev.virtiolab.virtio.vhostuser;

import static dev.virtiolab.virtio.vhostuser.Served.until;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.EventFd;
import dev.virtiolab.posix.MemFd;
import dev.virtiolab.posix.UnixStream;
import dev.virtiolab.posix.fixture.StuckEventFd;
import dev.virtiolab.virtio.fixture.FrontEnd;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A front-end that breaks the rules: it is told where the protocol can, and the next one is served.
 */
class HostileFrontEndTest {
  private static final int V = FrontEnd.VERSION;
  private static final long OK = FrontEnd.F_VERSION_1 | FrontEnd.F_PROTOCOL;
  private static final long G = FrontEnd.GUEST_BASE;
  private static final long U = FrontEnd.USER_BASE;
  private static final int M = FrontEnd.MEMORY_BYTES;

  @TempDir Path folder;

  private Served served;

  @BeforeEach
  void serve() {
    served = new Served(folder);
  }

  @AfterEach
  void everybodyElseIsStillServed() {
    assertTrue(served.works());
    until("no map is left", () -> Served.foreignMaps() == 0);
    served.close();
  }

  /** A request that is refused. */
  private record Bad(String why, Consumer<Bench> request) {
    @Override
    public String toString() {
      return why;
    }
  }

  /** What a refused request is made of: says its result. */
  private static final class Bench {
    final FrontEnd peer;
    long result;

    Bench(FrontEnd peer) {
      this.peer = peer;
    }

    void tell(int request, ByteBuffer payload, int... fds) {
      result = peer.tell(request, payload, fds);
    }

    void table(ByteBuffer... regions) {
      int[] fds = new int[regions.length];
      java.util.Arrays.fill(fds, peer.memFd.fd());
      tell(FrontEnd.SET_MEM_TABLE, FrontEnd.table(regions), fds);
    }
  }

  private static Bad bad(String why, Consumer<Bench> request) {
    return new Bad(why, request);
  }

  static Stream<Bad> refusals() {
    return Stream.of(
        bad(
            "features never offered",
            b -> b.tell(FrontEnd.SET_FEATURES, FrontEnd.u64(OK | 1L << 50))),
        bad("no VERSION_1", b -> b.tell(FrontEnd.SET_FEATURES, FrontEnd.u64(FrontEnd.F_EVENT_IDX))),
        bad("unknown request", b -> b.tell(77, FrontEnd.payload(0))),
        bad("request of a feature that is not offered", b -> b.tell(20, FrontEnd.u64(1500))),
        bad("number 0", b -> b.tell(0, FrontEnd.payload(0))),
        bad("negative number", b -> b.tell(-1, FrontEnd.payload(0))),
        bad("payload too short", b -> b.tell(FrontEnd.SET_VRING_NUM, FrontEnd.payload(4))),
        bad("payload too long", b -> b.tell(FrontEnd.SET_VRING_NUM, FrontEnd.payload(12))),
        bad("payload where there is none", b -> b.tell(FrontEnd.SET_OWNER, FrontEnd.payload(8))),
        bad("fd too many", b -> b.tell(FrontEnd.SET_OWNER, FrontEnd.payload(0), b.peer.memFd.fd())),
        bad("no such ring", b -> b.tell(FrontEnd.SET_VRING_NUM, FrontEnd.state(2, 256))),
        bad("ring -1", b -> b.tell(FrontEnd.SET_VRING_NUM, FrontEnd.state(-1, 256))),
        bad("ring 255 by a byte", b -> b.tell(FrontEnd.SET_VRING_CALL, FrontEnd.u64(0x1ff))),
        bad("size 0", b -> b.tell(FrontEnd.SET_VRING_NUM, FrontEnd.state(0, 0))),
        bad("size 255", b -> b.tell(FrontEnd.SET_VRING_NUM, FrontEnd.state(0, 255))),
        bad("size 2^15", b -> b.tell(FrontEnd.SET_VRING_NUM, FrontEnd.state(0, 1 << 15))),
        bad("size 2^31", b -> b.tell(FrontEnd.SET_VRING_NUM, FrontEnd.state(0, 1 << 31))),
        bad("enable 2", b -> b.tell(FrontEnd.SET_VRING_ENABLE, FrontEnd.state(0, 2))),
        bad("kick without fd", b -> b.tell(FrontEnd.SET_VRING_KICK, FrontEnd.u64(0))),
        bad(
            "fd where there is none",
            b -> b.tell(FrontEnd.SET_VRING_KICK, FrontEnd.u64(0x100), b.peer.kicks[0].fd())),
        bad(
            "kick that is memory",
            b -> b.tell(FrontEnd.SET_VRING_KICK, FrontEnd.u64(0), b.peer.memFd.fd())),
        bad(
            "call that is memory",
            b -> b.tell(FrontEnd.SET_VRING_CALL, FrontEnd.u64(0), b.peer.memFd.fd())),
        bad(
            "two kicks",
            b ->
                b.tell(
                    FrontEnd.SET_VRING_KICK,
                    FrontEnd.u64(0),
                    b.peer.kicks[0].fd(),
                    b.peer.kicks[1].fd())),
        bad(
            "channel that is an eventfd",
            b -> b.tell(FrontEnd.SET_BACKEND_REQ_FD, FrontEnd.payload(0), b.peer.kicks[0].fd())),
        bad("no regions", b -> b.tell(FrontEnd.SET_MEM_TABLE, FrontEnd.table())),
        bad(
            "fewer fds than regions",
            b ->
                b.tell(
                    FrontEnd.SET_MEM_TABLE,
                    FrontEnd.table(
                        FrontEnd.region(G, M, U, 0), FrontEnd.region(G + M, M, U + M, 0)),
                    b.peer.memFd.fd())),
        bad(
            "more fds than regions",
            b ->
                b.tell(
                    FrontEnd.SET_MEM_TABLE,
                    FrontEnd.table(FrontEnd.region(G, M, U, 0)),
                    b.peer.memFd.fd(),
                    b.peer.memFd.fd())),
        bad(
            "more regions than there are",
            b ->
                b.tell(
                    FrontEnd.SET_MEM_TABLE,
                    FrontEnd.table(FrontEnd.region(G, M, U, 0)).putInt(0, 2),
                    b.peer.memFd.fd(),
                    b.peer.memFd.fd())),
        bad(
            "2^31 regions",
            b ->
                b.tell(
                    FrontEnd.SET_MEM_TABLE,
                    FrontEnd.table(FrontEnd.region(G, M, U, 0)).putInt(0, 1 << 31),
                    b.peer.memFd.fd())),
        bad(
            "2^27 regions, whose bytes overflow",
            b ->
                b.tell(
                    FrontEnd.SET_MEM_TABLE,
                    FrontEnd.table(FrontEnd.region(G, M, U, 0)).putInt(0, 1 << 27),
                    b.peer.memFd.fd())),
        bad(
            "overlap by guest address",
            b ->
                b.table(
                    FrontEnd.region(G, M, U, 0), FrontEnd.region(G + 4096, M - 4096, U + M, 0))),
        bad(
            "overlap by user address",
            b -> b.table(FrontEnd.region(G, M, U, 0), FrontEnd.region(G + M, M, U + M - 4096, 0))),
        bad("beyond the file", b -> b.table(FrontEnd.region(G, M + 4096, U, 0))),
        bad("beyond the file by its offset", b -> b.table(FrontEnd.region(G, M, U, 4096))),
        bad("huge", b -> b.table(FrontEnd.region(G, 1L << 62, U, 0))),
        bad("of 2^63 bytes", b -> b.table(FrontEnd.region(G, 1L << 63, U, 0))),
        bad("empty", b -> b.table(FrontEnd.region(G, 0, U, 0))),
        bad("wraps", b -> b.table(FrontEnd.region(-4096, M, U, 0))),
        bad("wraps by user address", b -> b.table(FrontEnd.region(G, M, -4096, 0))),
        bad("wraps at 2^63", b -> b.table(FrontEnd.region(Long.MAX_VALUE - 4095, M, U, 0))),
        bad("offset wraps", b -> b.table(FrontEnd.region(G, M, U, -4096))),
        bad("guest address within a page", b -> b.table(FrontEnd.region(G + 2, 4096, U, 0))),
        bad("offset within a page", b -> b.table(FrontEnd.region(G, 4096, U, 2))),
        bad("size of no whole page", b -> b.table(FrontEnd.region(G, 4097, U, 0))),
        bad(
            "memory that is an eventfd",
            b ->
                b.tell(
                    FrontEnd.SET_MEM_TABLE,
                    FrontEnd.table(FrontEnd.region(G, M, U, 0)),
                    b.peer.kicks[0].fd())),
        bad(
            "slot without fd",
            b -> b.tell(FrontEnd.ADD_MEM_REG, FrontEnd.slot(FrontEnd.wholeRegion()))),
        bad(
            "a slot that never was",
            b -> b.tell(FrontEnd.REM_MEM_REG, FrontEnd.slot(FrontEnd.wholeRegion()))),
        bad(
            "ring addresses before memory",
            b -> {
              b.peer.makeRing(0, 256, false);
              b.tell(FrontEnd.SET_VRING_ADDR, b.peer.addresses(0, 0, 0));
            }),
        bad(
            "ring in no region",
            b -> {
              b.peer.shareMemory();
              b.peer.mustTell(FrontEnd.SET_VRING_NUM, FrontEnd.state(0, 256));
              b.tell(FrontEnd.SET_VRING_ADDR, FrontEnd.payload(40).putLong(8, U - 4096));
            }),
        bad(
            "ring that ends beyond its region",
            b -> {
              b.peer.shareMemory();
              b.peer.mustTell(FrontEnd.SET_VRING_NUM, FrontEnd.state(0, 256));
              b.tell(
                  FrontEnd.SET_VRING_ADDR,
                  FrontEnd.payload(40).putLong(8, U).putLong(16, U + M - 2048).putLong(24, U));
            }),
        bad(
            "ring at an odd address",
            b -> {
              b.peer.shareMemory();
              b.peer.mustTell(FrontEnd.SET_VRING_NUM, FrontEnd.state(0, 256));
              b.peer.mustTell(
                  FrontEnd.SET_VRING_ADDR,
                  FrontEnd.payload(40).putLong(8, U).putLong(16, U + 0x4001).putLong(24, U));
              b.peer.mustTell(FrontEnd.SET_VRING_ENABLE, FrontEnd.state(0, 1));
              b.tell(FrontEnd.SET_VRING_KICK, FrontEnd.u64(0), b.peer.kicks[0].fd());
            }),
        bad(
            "inflight of no rings",
            b -> b.tell(FrontEnd.SET_INFLIGHT_FD, FrontEnd.payload(24), b.peer.memFd.fd())),
        bad(
            "inflight too small",
            b ->
                b.tell(
                    FrontEnd.SET_INFLIGHT_FD,
                    FrontEnd.payload(24)
                        .putLong(0, 64)
                        .putShort(16, (short) 2)
                        .putShort(18, (short) 256),
                    b.peer.memFd.fd())),
        bad(
            "inflight beyond the file",
            b ->
                b.tell(
                    FrontEnd.SET_INFLIGHT_FD,
                    FrontEnd.payload(24)
                        .putLong(0, M)
                        .putLong(8, M)
                        .putShort(16, (short) 2)
                        .putShort(18, (short) 256),
                    b.peer.memFd.fd())),
        bad(
            "IOTLB of no type",
            b -> b.result = b.peer.ask(FrontEnd.IOTLB_MSG, FrontEnd.payload(32)).u64()),
        bad(
            "IOTLB outside memory",
            b ->
                b.result =
                    b.peer
                        .ask(
                            FrontEnd.IOTLB_MSG,
                            FrontEnd.payload(32)
                                .putLong(8, 4096)
                                .put(24, (byte) 3)
                                .put(25, (byte) 2))
                        .u64()),
        bad(
            "log that is too small",
            b -> {
              b.peer.shareMemory();
              b.result =
                  b.peer
                      .ask(
                          FrontEnd.SET_LOG_BASE,
                          FrontEnd.payload(16).putLong(0, 4096),
                          b.peer.memFd.fd())
                      .u64();
            }),
        bad(
            "log at an odd offset",
            b ->
                b.result =
                    b.peer
                        .ask(
                            FrontEnd.SET_LOG_BASE,
                            FrontEnd.payload(16).putLong(0, 4096).putLong(8, 2),
                            b.peer.memFd.fd())
                        .u64()));
  }

  @ParameterizedTest
  @MethodSource("refusals")
  void whatIsRefusedIsSaidAndTheSessionGoesOn(Bad bad) {
    try (FrontEnd peer = served.connect().negotiate(OK)) {
      Bench bench = new Bench(peer);
      bad.request.accept(bench);
      assertEquals(1, bench.result);
      assertEquals(1, served.server.counters().refused());
      // It goes on as if nothing had been asked.
      peer.shareMemory();
      peer.makeRing(FrontEnd.RX, 256, false);
      peer.makeRing(FrontEnd.TX, 256, false);
      peer.stopRing(FrontEnd.RX);
      peer.startRing(FrontEnd.RX, 0);
      peer.startRing(FrontEnd.TX, 0);
      assertTrue(served.passes(peer, 1));
    }
  }

  /** What a refused request said does not hold later, when it would not be refused. */
  @Test
  void aRefusedRequestLeavesNothing() {
    ByteBuffer elsewhere = FrontEnd.table(FrontEnd.region(G + (1L << 40), M, U + (1L << 40), 0));
    for (int last : new int[] {FrontEnd.SET_VRING_KICK, FrontEnd.SET_VRING_ENABLE}) {
      try (FrontEnd peer = served.connect().negotiate(OK).shareMemory()) {
        peer.makeRing(FrontEnd.TX, 256, false);
        peer.mustTell(FrontEnd.SET_VRING_NUM, FrontEnd.state(FrontEnd.TX, 256));
        peer.mustTell(FrontEnd.SET_VRING_ADDR, peer.addresses(FrontEnd.TX, 0, 0));
        boolean kickLast = last == FrontEnd.SET_VRING_KICK;
        ByteBuffer enable = FrontEnd.state(FrontEnd.TX, 1);
        ByteBuffer kick = FrontEnd.u64(FrontEnd.TX);
        int fd = peer.kicks[FrontEnd.TX].fd();
        if (kickLast) {
          peer.mustTell(FrontEnd.SET_VRING_ENABLE, enable);
        } else {
          peer.mustTell(FrontEnd.SET_VRING_KICK, kick, fd);
        }
        peer.mustTell(FrontEnd.SET_MEM_TABLE, elsewhere, peer.memFd.fd());
        assertEquals(1, kickLast ? peer.tell(last, kick, fd) : peer.tell(last, enable));
        peer.shareMemory();
        // All that is there would start it now, had the refused request left its value.
        peer.mustTell(FrontEnd.SET_VRING_ADDR, peer.addresses(FrontEnd.TX, 0, 0));
        assertEquals(
            0, peer.tell(FrontEnd.SET_VRING_NUM, FrontEnd.state(FrontEnd.TX, 256)), "runs");
        int before = served.wire.sentCount();
        peer.offerTransmit(0, Served.frame(100, last));
        if (kickLast) {
          peer.mustTell(last, kick, fd);
        } else {
          peer.mustTell(last, enable);
        }
        until("sent", () -> served.wire.sentCount() == before + 1);
      }
    }
  }

  @Test
  void addressesThatAreRefusedLeaveThoseBefore() {
    try (FrontEnd peer = served.connect().negotiate(OK).shareMemory()) {
      peer.makeRing(FrontEnd.TX, 256, false);
      peer.mustTell(FrontEnd.SET_VRING_NUM, FrontEnd.state(FrontEnd.TX, 256));
      peer.mustTell(
          FrontEnd.SET_VRING_KICK, FrontEnd.u64(FrontEnd.TX), peer.kicks[FrontEnd.TX].fd());
      peer.mustTell(FrontEnd.SET_VRING_ADDR, peer.addresses(FrontEnd.TX, 0, 0));
      ByteBuffer odd = peer.addresses(FrontEnd.TX, 0, 0);
      odd.putLong(8, odd.getLong(8) + 8);
      // What cannot start is found when all is there, and that is the enabling here.
      peer.mustTell(FrontEnd.SET_VRING_ADDR, odd);
      ByteBuffer enable = FrontEnd.state(FrontEnd.TX, 1);
      assertEquals(1, peer.tell(FrontEnd.SET_VRING_ENABLE, enable));
      peer.mustTell(FrontEnd.SET_VRING_ADDR, peer.addresses(FrontEnd.TX, 0, 0));
      peer.mustTell(FrontEnd.SET_VRING_ENABLE, enable);
      int before = served.wire.sentCount();
      peer.offerTransmit(0, Served.frame(100, 5));
      until("sent", () -> served.wire.sentCount() == before + 1);
    }
    try (FrontEnd peer = served.connect().negotiate(OK).shareMemory()) {
      ByteBuffer inflight = FrontEnd.payload(24).putShort(16, (short) 2).putShort(18, (short) 64);
      peer.mustTell(FrontEnd.SET_VRING_NUM, FrontEnd.state(0, 128));
      FrontEnd.Reply region = peer.ask(FrontEnd.GET_INFLIGHT_FD, inflight);
      int fd = peer.fds.take(0).number();
      assertEquals(1, peer.tell(FrontEnd.SET_INFLIGHT_FD, region.payload(), fd), "64 for 128");
      peer.mustTell(FrontEnd.SET_VRING_NUM, FrontEnd.state(0, 256));
    }
  }

  /** The device waits in write(2) until somebody reads: it is to be had back all the same. */
  @Test
  void aCallThatBlocks() {
    try (FrontEnd peer = served.connect().start(FrontEnd.F_VERSION_1)) {
      StuckEventFd.fill(peer.calls[FrontEnd.TX].fd());
      peer.offerTransmit(0, Served.frame(100, 1));
      until("used", peer.rings[FrontEnd.TX]::poll);
      assertTrue(peer.get(FrontEnd.GET_FEATURES) != 0, "an answer");
      StuckEventFd.fill(peer.calls[FrontEnd.TX].fd());
      peer.offerTransmit(1, Served.frame(100, 2));
      until("used", peer.rings[FrontEnd.TX]::poll);
    }
    // The next one is served, as after every test here; and the device can be stopped with it
    // stuck.
    try (FrontEnd peer = served.connect().start(FrontEnd.F_VERSION_1)) {
      assertTrue(served.passes(peer, 3));
      assertTrue(peer.get(FrontEnd.GET_FEATURES) != 0, "the device is done with that frame");
      StuckEventFd.fill(peer.calls[FrontEnd.RX].fd());
      peer.offerReceive(1, 1);
      served.wire.deliver(Served.frame(100, 4));
      until("used", peer.rings[FrontEnd.RX]::poll);
      served.close();
      served = new Served(folder);
    }
  }

  /** Nobody asked for a word, and none can be said: the front-end would go on in error. */
  @Test
  void whatCannotBeToldEndsTheSession() {
    try (FrontEnd peer = served.connect().negotiate(OK)) {
      peer.send(FrontEnd.SET_VRING_NUM, V, FrontEnd.state(0, 3));
      assertNull(peer.reply());
    }
    try (FrontEnd peer = served.connect()) {
      // REPLY_ACK was not negotiated: an acknowledgement would be taken for another answer.
      peer.send(FrontEnd.SET_VRING_NUM, V | FrontEnd.NEED_REPLY, FrontEnd.state(0, 3));
      assertNull(peer.reply());
    }
    try (FrontEnd peer = served.connect()) {
      peer.send(FrontEnd.GET_VRING_BASE, V, FrontEnd.state(9, 0));
      assertNull(peer.reply(), "a base of no ring");
    }
    try (FrontEnd peer = served.connect()) {
      peer.send(FrontEnd.SET_PROTOCOL_FEATURES, V, FrontEnd.u64(-1));
      assertNull(peer.reply());
    }
    try (FrontEnd peer = served.connect()) {
      peer.send(FrontEnd.GET_MAX_MEM_SLOTS, V, FrontEnd.payload(0));
      assertNull(peer.reply(), "its protocol feature was not negotiated");
    }
  }

  @Test
  void whatCannotBeUnderstoodEndsTheSession() {
    for (int flags : new int[] {0, 2, 3}) {
      try (FrontEnd peer = served.connect()) {
        peer.send(FrontEnd.GET_FEATURES, flags, FrontEnd.payload(0));
        assertNull(peer.reply(), "version " + flags);
      }
    }
    for (int size : new int[] {4096, Integer.MAX_VALUE, -1, 269}) {
      try (FrontEnd peer = served.connect()) {
        ByteBuffer header = FrontEnd.payload(12).putInt(1).putInt(V).putInt(size);
        peer.sendRaw(header.array());
        assertNull(peer.reply(), "payload of " + size);
      }
    }
    try (FrontEnd peer = served.connect()) {
      peer.send(FrontEnd.GET_FEATURES, V | FrontEnd.REPLY, FrontEnd.payload(0));
      assertNull(peer.reply(), "an answer to nothing");
    }
  }

  @Test
  void piecesOfAMessageMakeAMessage() {
    try (FrontEnd peer = served.connect()) {
      byte[] whole =
          FrontEnd.payload(20).putInt(16).putInt(V).putInt(8).putLong(FrontEnd.P_ALL).array();
      for (byte each : whole) {
        peer.sendRaw(new byte[] {each});
      }
      peer.mustTell(FrontEnd.SET_OWNER, FrontEnd.payload(0));
    }
    try (FrontEnd peer = served.connect()) {
      peer.sendRaw(new byte[] {1, 0, 0, 0, 1}); // and nothing more
    }
  }

  @Test
  void rulesOfRingsThatRun() {
    try (FrontEnd peer = served.connect().start(FrontEnd.F_VERSION_1)) {
      assertEquals(1, peer.tell(FrontEnd.SET_VRING_NUM, FrontEnd.state(0, 128)));
      assertEquals(1, peer.tell(FrontEnd.SET_VRING_BASE, FrontEnd.state(0, 1)));
      assertEquals(1, peer.tell(FrontEnd.SET_FEATURES, FrontEnd.u64(OK | FrontEnd.F_EVENT_IDX)));
      assertEquals(0, peer.tell(FrontEnd.SET_FEATURES, FrontEnd.u64(OK)), "the same again");
      assertEquals(0, peer.tell(FrontEnd.SET_VRING_ADDR, peer.addresses(0, 0, 0)), "the same");
      ByteBuffer moved = peer.addresses(0, 0, 0);
      moved.putLong(8, moved.getLong(8) + 16);
      assertEquals(1, peer.tell(FrontEnd.SET_VRING_ADDR, moved));
      ByteBuffer inflight =
          FrontEnd.payload(24).putLong(0, M).putShort(16, (short) 2).putShort(18, (short) 256);
      assertEquals(1, peer.tell(FrontEnd.SET_INFLIGHT_FD, inflight, peer.memFd.fd()));
      assertTrue(served.passes(peer, 1));
    }
  }

  @Test
  void memoryThatCouldShrinkIsTakenOnlyOnRequest() throws IOException {
    Path file = folder.resolve("unsealed");
    java.nio.file.Files.write(file, new byte[M]);
    try (Served trusting =
            new Served(java.nio.file.Files.createDirectory(folder.resolve("t")), true);
        FrontEnd wary = served.connect().negotiate(OK);
        FrontEnd trusted = trusting.connect().negotiate(OK);
        var stream = new java.io.RandomAccessFile(file.toFile(), "rw")) {
      int fd = descriptorOf(file);
      ByteBuffer table = FrontEnd.table(FrontEnd.region(G, M, U, 0));
      assertEquals(1, wary.tell(FrontEnd.SET_MEM_TABLE, table, fd));
      assertEquals(0, trusted.tell(FrontEnd.SET_MEM_TABLE, table, fd));
      assertTrue(stream.length() == M);
    }
  }

  /** The number under which this process has a file open. */
  private static int descriptorOf(Path file) throws IOException {
    try (Stream<Path> all = java.nio.file.Files.list(Path.of("/proc/self/fd"))) {
      return all.filter(fd -> pointsTo(fd, file))
          .mapToInt(fd -> Integer.parseInt(fd.getFileName().toString()))
          .findFirst()
          .orElseThrow();
    }
  }

  private static boolean pointsTo(Path fd, Path file) {
    try {
      return java.nio.file.Files.readSymbolicLink(fd).equals(file.toRealPath());
    } catch (IOException e) {
      return false;
    }
  }

  @Test
  void aFrontEndThatDoesNotReadItsAnswersIsLetGo() {
    try (FrontEnd peer = served.connect()) {
      until("full", () -> !peer.trySend(FrontEnd.GET_FEATURES, V, FrontEnd.payload(0)));
      // It is given some seconds; meanwhile the device goes on, and somebody else is told.
      until(
          "somebody else is served",
          () -> {
            try (FrontEnd other = served.connect()) {
              other.send(FrontEnd.GET_FEATURES, V, FrontEnd.payload(0));
              return other.reply() != null;
            } catch (IllegalStateException e) {
              return false;
            }
          });
    }
  }

  /** As after kill -9: the connection and the eventfds go without a word, in mid-transfer. */
  @Test
  void aFrontEndThatDiesInMidTransfer() {
    for (int i = 0; i < 20; i++) {
      FrontEnd peer = served.connect().start(FrontEnd.F_VERSION_1);
      for (int slot = 0; slot < 200; slot++) {
        peer.offerTransmit(slot % 64, Served.frame(1000, slot));
      }
      peer.offerReceive(0, 100);
      for (int frame = 0; frame < 50; frame++) {
        served.wire.deliver(Served.frame(500, frame));
      }
      peer.close();
    }
    // What its driver offered and the wire still holds is of no consequence to the next.
    until("drained", () -> drain() == 0);
  }

  private int drain() {
    try (FrontEnd peer = served.connect().start(FrontEnd.F_VERSION_1)) {
      peer.offerReceive(0, 200);
      until("asleep", served.loop()::sleeping);
      return served.wire.waiting();
    }
  }

  /** Any bytes at all, with descriptors of every kind. */
  @Test
  void noise() {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    System.out.println("HostileFrontEndTest: -Dvirtiolab.seed=" + seed);
    SplittableRandom random = new SplittableRandom(seed);
    try (MemFd small = MemFd.create("front-end-small", 4096);
        EventFd event = EventFd.create()) {
      for (int i = 0; i < 300; i++) {
        noisySession(random, small, event);
      }
    }
    assertTrue(served.server.running());
    assertTrue(served.loop().running());
  }

  private void noisySession(SplittableRandom random, MemFd small, EventFd event) {
    UnixStream[] pair = UnixStream.pair();
    try (FrontEnd peer = served.connect();
        UnixStream channel = pair[0];
        UnixStream other = pair[1]) {
      boolean acknowledged = random.nextBoolean();
      if (acknowledged) {
        peer.negotiate(OK | (random.nextBoolean() ? FrontEnd.F_ACCESS_PLATFORM : 0));
      }
      if (acknowledged && random.nextBoolean()) {
        peer.shareMemory();
        peer.makeRing(0, 256, false);
        peer.makeRing(1, 256, false);
      }
      int[] kinds = {small.fd(), event.fd(), peer.memFd.fd(), peer.kicks[0].fd(), other.fd()};
      for (int message = 0; message < 20; message++) {
        ByteBuffer payload =
            FrontEnd.payload(new int[] {0, 8, 16, 24, 32, 40, 72}[random.nextInt(7)]);
        for (int at = 0; at + 4 <= payload.capacity(); at += 4) {
          payload.putInt(at, interesting(random));
        }
        int[] fds = new int[random.nextInt(3)];
        for (int i = 0; i < fds.length; i++) {
          fds[i] = kinds[random.nextInt(kinds.length)];
        }
        int flags = random.nextInt(8) == 0 ? random.nextInt() : V | FrontEnd.NEED_REPLY;
        peer.send(random.nextInt(42), flags, payload, fds);
      }
      assertFalse(channel.fd() < 0);
    } catch (IllegalStateException e) {
      // Let go in between, as it should be.
    }
  }

  private static int interesting(SplittableRandom random) {
    return switch (random.nextInt(8)) {
      case 0 -> 0;
      case 1 -> 1;
      case 2 -> random.nextInt(4);
      case 3 -> 1 << random.nextInt(32);
      case 4 -> (int) U + random.nextInt(16) * 4096;
      case 5 -> (int) (U >>> 32);
      case 6 -> -1;
      default -> random.nextInt();
    };
  }
}
