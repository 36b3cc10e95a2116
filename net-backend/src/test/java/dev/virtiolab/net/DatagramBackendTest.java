package dev.virtiolab.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.DatagramSocket;
import dev.virtiolab.posix.Errno;
import dev.virtiolab.posix.Poll;
import dev.virtiolab.posix.PosixException;
import dev.virtiolab.posix.Sleeper;
import dev.virtiolab.posix.fixture.Allocation;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class DatagramBackendTest {
  private static final long SECOND_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final int STRESS_FRAMES = 100_000;

  @TempDir Path folder;

  enum Kind {
    UDP,
    UNIX
  }

  /** Where two ends are bound: a port or a path each. */
  private record Ends(InetSocketAddress[] udp, Path[] unix) {
    DatagramBackend open(int here, int there) {
      return udp != null
          ? DatagramBackend.udp(udp[here], udp[there])
          : DatagramBackend.unix(unix[here], unix[there]);
    }

    /** A socket that is no back end, bound at {@code here}. */
    DatagramSocket plain(int here, int there) {
      return udp != null
          ? DatagramSocket.udp(udp[here], udp[there])
          : DatagramSocket.unix(unix[here].toString(), unix[there].toString());
    }
  }

  private Ends ends(Kind kind) {
    return kind == Kind.UDP
        ? new Ends(freePorts(3), null)
        : new Ends(
            null, new Path[] {folder.resolve("a"), folder.resolve("b"), folder.resolve("c")});
  }

  static InetSocketAddress[] freePorts(int count) {
    InetSocketAddress[] addresses = new InetSocketAddress[count];
    java.net.DatagramSocket[] holders = new java.net.DatagramSocket[count];
    try {
      for (int i = 0; i < count; i++) {
        holders[i] =
            new java.net.DatagramSocket(
                new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0));
        addresses[i] = (InetSocketAddress) holders[i].getLocalSocketAddress();
      }
    } catch (IOException e) {
      throw new AssertionError(e);
    } finally {
      for (java.net.DatagramSocket holder : holders) {
        if (holder != null) {
          holder.close();
        }
      }
    }
    return addresses;
  }

  private static void send(DatagramSocket socket, int bytes, int fill) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(bytes + 1L);
      memory.fill((byte) fill);
      assertEquals(bytes, socket.send(memory, 0, bytes));
    }
  }

  private static void awaitFrame(NetBackend backend) {
    long start = System.nanoTime();
    while (backend.peek() == 0) {
      assertTrue(System.nanoTime() - start < 10 * SECOND_NANOS, "no frame came");
      Thread.onSpinWait();
    }
  }

  @ParameterizedTest
  @EnumSource
  void framesCrossBothWaysUpToTheLargest(Kind kind) {
    Ends ends = ends(kind);
    try (DatagramBackend left = ends.open(0, 1);
        DatagramBackend right = ends.open(1, 0)) {
      assertEquals(kind == Kind.UDP ? 65_507 : NetBackend.LARGEST_FRAME, left.maxFrameLength());
      byte[] small = Frames.numbered(1, 14);
      byte[] large = Frames.numbered(2, left.maxFrameLength());
      for (NetBackend[] way : new NetBackend[][] {{left, right}, {right, left}}) {
        Frames.send(way[0], small);
        Frames.send(way[0], large);
        awaitFrame(way[1]);
        assertArrayEquals(small, Frames.look(way[1]));
        way[1].release();
        awaitFrame(way[1]);
        assertArrayEquals(large, Frames.look(way[1]));
        way[1].release();
        assertEquals(0, way[1].peek());
      }
      assertEquals(2, left.counters().framesIn());
      assertEquals(2, left.counters().framesOut());
    }
  }

  @ParameterizedTest
  @EnumSource
  void strangersAreDroppedAndCounted(Kind kind) {
    Ends ends = ends(kind);
    try (DatagramBackend backend = ends.open(0, 1);
        DatagramSocket peer = ends.plain(1, 0);
        DatagramSocket stranger = ends.plain(2, 0)) {
      send(stranger, 60, 1);
      send(peer, 61, 2);
      send(stranger, 60, 3);
      awaitFrame(backend);
      assertEquals(61, backend.peek());
      backend.release();
      assertEquals(0, backend.peek());
      assertEquals(2, backend.strangers());
      assertEquals(2, backend.counters().droppedIn());
      assertEquals(1, backend.counters().framesIn());
    }
  }

  @ParameterizedTest
  @EnumSource
  void emptyDatagramsAndRuntsAreDroppedAndWhatFollowsIsNot(Kind kind) {
    Ends ends = ends(kind);
    try (DatagramBackend backend = ends.open(0, 1);
        DatagramSocket peer = ends.plain(1, 0)) {
      send(peer, 0, 0);
      send(peer, 1, 1);
      send(peer, 13, 2);
      send(peer, 14, 3);
      awaitFrame(backend);
      assertEquals(14, backend.peek());
      assertEquals(3, backend.counters().droppedIn());
      assertEquals(0, backend.strangers());
    }
  }

  @Test
  void giantIsDroppedNotCutOff() {
    Ends ends = ends(Kind.UNIX);
    try (DatagramBackend backend = ends.open(0, 1);
        DatagramSocket peer = ends.plain(1, 0)) {
      send(peer, NetBackend.LARGEST_FRAME + 1, 1);
      send(peer, 100_000, 1);
      send(peer, NetBackend.LARGEST_FRAME, 2);
      awaitFrame(backend);
      assertEquals(NetBackend.LARGEST_FRAME, backend.peek());
      assertEquals(2, backend.counters().droppedIn());
    }
  }

  @ParameterizedTest
  @EnumSource
  void peerThatIsNotThereYetOrStartsAnewCostsOnlyTheFramesMeanwhile(Kind kind) {
    Ends ends = ends(kind);
    try (DatagramBackend backend = ends.open(0, 1)) {
      for (int round = 1; round <= 3; round++) {
        // Nobody is there; over UDP the kernel answers "port unreachable".
        for (int i = 0; i < 5; i++) {
          Frames.send(backend, Frames.numbered(i, 60));
          assertEquals(0, backend.peek());
        }
        assertTrue(backend.linkUp());
        assertEquals(kind == Kind.UNIX ? 5 * round : 0, backend.counters().droppedOut());
        try (DatagramBackend peer = ends.open(1, 0)) {
          // The peer speaks first: it must not be refused because an older one was known.
          Frames.send(peer, Frames.numbered(round, 70));
          awaitFrame(backend);
          assertArrayEquals(Frames.numbered(round, 70), Frames.look(backend));
          backend.release();
          Frames.send(backend, Frames.numbered(round, 60));
          awaitFrame(peer);
          assertArrayEquals(Frames.numbered(round, 60), Frames.look(peer));
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void descriptorIsReadableWhileAFrameWaits(Kind kind) {
    Ends ends = ends(kind);
    try (DatagramBackend backend = ends.open(0, 1);
        DatagramSocket peer = ends.plain(1, 0);
        Poll poll = new Poll(1)) {
      poll.add(backend.readableFd());
      assertEquals(0, poll.await(0));
      send(peer, 60, 1);
      assertEquals(1, poll.await(10 * SECOND_NANOS));
      awaitFrame(backend);
      backend.release();
      assertEquals(0, poll.await(0));
    }
  }

  @Test
  void fullPeerRefusesAndNothingIsLostOrReordered() throws InterruptedException {
    Ends ends = ends(Kind.UNIX);
    Sleeper roomy = new Sleeper();
    try (roomy;
        DatagramBackend left = ends.open(0, 1);
        DatagramBackend right = ends.open(1, 0)) {
      left.onReady(roomy::wake);
      int sent = 0;
      roomy.awake();
      while (left.claim(60)) {
        left.abort();
        Frames.send(left, Frames.numbered(sent++, 60));
        assertTrue(sent < 10_000, "the peer never pushes back");
      }
      assertEquals(sent - 1, left.counters().framesOut(), "one is held");
      for (int i = 0; i < 1000; i++) {
        assertFalse(left.claim(60));
      }
      assertEquals(1001, left.counters().refused());
      assertFalse(roomy.woken(), "the watcher speaks of room that is not there");

      for (int i = 0; i < sent - 1; i++) {
        assertArrayEquals(Frames.numbered(i, 60), Frames.look(right));
        right.release();
      }
      assertEquals(0, right.peek());
      // Returns at once, or when the watcher has seen the room.
      roomy.fallAsleep();
      roomy.sleep();
      // Whoever is woken looks for frames: that sends what was held.
      assertEquals(0, left.peek());
      assertArrayEquals(Frames.numbered(sent - 1, 60), Frames.look(right));
      assertEquals(sent, left.counters().framesOut());
      assertEquals(0, left.counters().droppedOut());
    }
  }

  @Test
  void closingWhileThePeerIsFullEnds() {
    Ends ends = ends(Kind.UNIX);
    try (DatagramSocket peer = ends.plain(1, 0)) {
      DatagramBackend backend = ends.open(0, 1);
      while (backend.claim(60)) {
        backend.commit();
      }
      backend.close();
      backend.close();
      assertFalse(backend.linkUp());
      assertFalse(Files.exists(ends.unix[0]));
      assertTrue(peer.fd() >= 0);
    }
  }

  /** Both ends sleep whenever they have nothing to do; a queue of ten pushes back all the time. */
  @Test
  void framesCrossTwoThreadsInOrderAndNoWakeUpIsLost() throws InterruptedException {
    Ends ends = ends(Kind.UNIX);
    AtomicReference<Throwable> failure = new AtomicReference<>();
    AtomicInteger received = new AtomicInteger();
    try (DatagramBackend left = ends.open(0, 1);
        DatagramBackend right = ends.open(1, 0);
        Sleeper sender = new Sleeper(left.readableFd());
        Poll arrival = new Poll(1)) {
      left.onReady(sender::wake);
      arrival.add(right.readableFd());
      Thread receiver =
          Thread.ofPlatform()
              .daemon()
              .uncaughtExceptionHandler((thread, e) -> failure.set(e))
              .start(
                  () -> {
                    while (received.get() < STRESS_FRAMES) {
                      if (right.peek() == 0) {
                        assertTrue(arrival.await(60 * SECOND_NANOS) > 0, "nothing comes");
                        continue;
                      }
                      int number = right.peeked().get(ValueLayout.JAVA_INT, right.peekedOffset());
                      assertEquals(received.get(), number);
                      right.release();
                      received.incrementAndGet();
                    }
                  });
      Thread sending =
          Thread.ofPlatform()
              .daemon()
              .uncaughtExceptionHandler((thread, e) -> failure.set(e))
              .start(() -> sendAll(left, sender));
      boolean ended = receiver.join(java.time.Duration.ofSeconds(60));
      assertNull(failure.get());
      assertTrue(ended, "a wake-up was lost after " + received);
      assertTrue(sending.join(java.time.Duration.ofSeconds(60)));
      assertEquals(STRESS_FRAMES, left.counters().framesOut());
      assertEquals(0, left.counters().droppedOut());
    }
  }

  /** As a device's loop does: look for work, then say that it sleeps, look again, sleep. */
  private static void sendAll(NetBackend out, Sleeper sleeper) {
    int number = 0;
    while (number < STRESS_FRAMES || out.counters().framesOut() < STRESS_FRAMES) {
      sleeper.awake();
      out.peek();
      boolean claimed = false;
      while (number < STRESS_FRAMES && out.claim(60)) {
        out.claimed().set(ValueLayout.JAVA_INT, out.claimedOffset(), number++);
        out.commit();
        claimed = true;
      }
      out.flush();
      if (!claimed && out.counters().framesOut() < STRESS_FRAMES) {
        sleeper.fallAsleep();
        out.peek();
        if (out.counters().framesOut() < number) {
          sleeper.sleep();
        }
      }
    }
  }

  // ---- the file of a unix socket

  @Test
  void fileIsRemovedWhenClosedAndNotIfItIsAnothers() throws IOException {
    Ends ends = ends(Kind.UNIX);
    DatagramBackend backend = ends.open(0, 1);
    assertTrue(Files.exists(ends.unix[0]));
    backend.close();
    assertFalse(Files.exists(ends.unix[0]));

    DatagramBackend robbed = ends.open(0, 1);
    Files.delete(ends.unix[0]);
    try (DatagramSocket thief = ends.plain(0, 1)) {
      robbed.close();
      assertTrue(Files.exists(ends.unix[0]), "the other's file is gone");
      assertTrue(thief.fd() >= 0);
    }
  }

  @Test
  void fileOfADeadSocketIsReplacedAndOneInUseIsNot() {
    Ends ends = ends(Kind.UNIX);
    ends.plain(0, 1).close();
    assertTrue(Files.exists(ends.unix[0]), "a file is left behind");
    try (DatagramBackend backend = ends.open(0, 1)) {
      PosixException e = assertThrows(PosixException.class, () -> ends.open(0, 1));
      assertEquals(Errno.EADDRINUSE, e.errno());
      assertTrue(backend.linkUp() && Files.exists(ends.unix[0]));
    }
  }

  @Test
  void fileThatIsNoSocketIsNotTouched() throws IOException {
    Ends ends = ends(Kind.UNIX);
    Files.writeString(ends.unix[0], "mine");
    PosixException e = assertThrows(PosixException.class, () -> ends.open(0, 1));
    assertEquals(Errno.EADDRINUSE, e.errno());
    assertEquals("mine", Files.readString(ends.unix[0]));
  }

  @ParameterizedTest
  @EnumSource
  void addressInUseIsRefused(Kind kind) {
    Ends ends = ends(kind);
    try (DatagramSocket holder = ends.plain(0, 1)) {
      PosixException e = assertThrows(PosixException.class, () -> ends.open(0, 2));
      assertEquals(Errno.EADDRINUSE, e.errno(), e::getMessage);
      assertTrue(holder.fd() >= 0);
    }
  }

  @Test
  void addressesThatCannotBeAreRefused() {
    InetSocketAddress good = new InetSocketAddress("127.0.0.1", 9);
    assertThrows(
        IllegalArgumentException.class,
        () -> DatagramBackend.udp(good, InetSocketAddress.createUnresolved("nowhere.invalid", 9)));
    assertThrows(
        IllegalArgumentException.class,
        () -> DatagramBackend.udp(good, new InetSocketAddress("::1", 9)));
    assertThrows(
        IllegalArgumentException.class,
        () -> DatagramBackend.unix(folder.resolve("x".repeat(108)), folder.resolve("b")));
  }

  @ParameterizedTest
  @EnumSource
  void nothingIsAllocatedPerFrame(Kind kind) {
    Ends ends = ends(kind);
    try (DatagramBackend left = ends.open(0, 1);
        DatagramBackend right = ends.open(1, 0)) {
      long bytes =
          Allocation.bytesOf(
              5,
              () -> {
                for (int i = 0; i < 5_000; i++) {
                  left.claim(64);
                  left.claimed().set(ValueLayout.JAVA_LONG, left.claimedOffset(), i);
                  left.commit();
                  left.flush();
                  while (right.peek() == 0) {
                    Thread.onSpinWait();
                  }
                  right.release();
                }
              });
      assertTrue(bytes < 2_000, bytes + " bytes for 5000 frames");
    }
  }
}
