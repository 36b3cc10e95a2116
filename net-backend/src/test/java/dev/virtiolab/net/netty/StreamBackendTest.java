package dev.virtiolab.net.netty;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.BackendOpenException;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.posix.fixture.Allocation;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(120)
class StreamBackendTest {
  private static final int LARGEST = NetBackend.LARGEST_FRAME;
  private static final Duration SOON = Duration.ofMillis(200);

  @TempDir Path folder;

  private final Queue<String> lines = new ConcurrentLinkedQueue<>();

  private StreamBackend open(StreamConfig config) {
    return StreamBackend.open(config, (trouble, line) -> lines.add(trouble + " " + line));
  }

  private StreamBackend server() {
    return open(StreamConfig.listen(Wire.anyPort()));
  }

  private StreamConfig at(String kind) {
    return StreamConfig.listen(
        kind.equals("unix") ? new StreamAddress.Unix(folder.resolve("s")) : Wire.anyPort());
  }

  private StreamBackend clientOf(StreamBackend server) {
    return open(StreamConfig.connect(server.address()).withReconnect(SOON));
  }

  // What crosses.

  @ParameterizedTest
  @ValueSource(strings = {"tcp", "unix"})
  void framesCrossBothWaysUnchanged(String kind) {
    try (StreamBackend server = open(at(kind));
        StreamBackend client = clientOf(server)) {
      Wire.awaitLink(server, client);
      int number = 0;
      for (int length : new int[] {14, 60, 1514, LARGEST}) {
        byte[] there = Wire.frame(number++, length);
        byte[] back = Wire.frame(number++, length);
        Wire.send(client, there);
        assertArrayEquals(there, Wire.receive(server));
        Wire.send(server, back);
        assertArrayEquals(back, Wire.receive(client));
      }
      assertEquals(4, server.counters().framesIn());
      assertEquals(4, client.counters().framesIn());
    }
  }

  @Test
  void eachFrameIsPrecededByItsLengthBigEndian() throws IOException {
    try (StreamBackend server = server();
        SocketChannel peer = Wire.connect(server)) {
      Wire.awaitLink(server);
      byte[] frame = Wire.frame(1, 0x0102);
      Wire.send(server, frame);
      assertArrayEquals(new byte[] {0, 0, 1, 2}, Wire.read(peer, 4));
      assertArrayEquals(frame, Wire.read(peer, frame.length));
    }
  }

  @Test
  void anIpv6AddressServesAsWell() {
    try (StreamBackend server = open(StreamConfig.listen(new StreamAddress.Tcp("::1", 0)));
        StreamBackend client = clientOf(server)) {
      Wire.awaitLink(server, client);
      assertTrue(client.toString().startsWith("stream:[::1]:"), client::toString);
    }
  }

  /** However the bytes are cut, and however late the device is: each frame, whole and in order. */
  @ParameterizedTest
  @ValueSource(strings = {"tcp", "unix"})
  void theBytesMayBeCutAnywhere(String kind) throws Exception {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    String hint = "-Dvirtiolab.seed=" + seed;
    SplittableRandom random = new SplittableRandom(seed);
    int frames = 4000;
    byte[][] all = new byte[frames][];
    for (int i = 0; i < frames; i++) {
      int length =
          switch (random.nextInt(20)) {
            case 0 -> random.nextInt(14, LARGEST + 1);
            case 1 -> LARGEST;
            default -> random.nextInt(14, 1515);
          };
      all[i] = Wire.frame(i, length);
    }
    ByteBuffer wire = Wire.framed(all);
    try (StreamBackend server = open(at(kind));
        SocketChannel peer = Wire.connect(server)) {
      SplittableRandom cuts = random.split();
      Thread sender =
          Thread.ofPlatform()
              .daemon()
              .start(
                  () -> {
                    try {
                      while (wire.hasRemaining()) {
                        int bytes =
                            Math.min(
                                wire.remaining(),
                                cuts.nextInt(3) == 0
                                    ? cuts.nextInt(1, 8)
                                    : cuts.nextInt(1, 100_000));
                        Wire.write(peer, wire.slice(wire.position(), bytes));
                        wire.position(wire.position() + bytes);
                      }
                    } catch (IOException e) {
                      lines.add(e.toString());
                    }
                  });
      Semaphore awake = new Semaphore(0);
      server.onReady(awake::release);
      for (int i = 0; i < frames; i++) {
        // Sleeps unless there is a frame: a wake-up that is lost ends the test.
        while (server.peek() == 0) {
          assertTrue(awake.tryAcquire(30, TimeUnit.SECONDS), hint + ": no wake-up, frame " + i);
        }
        assertArrayEquals(all[i], Wire.receive(server), hint + ", frame " + i);
      }
      sender.join();
      assertEquals(0, server.peek(), hint);
      assertEquals(List.of(), List.copyOf(lines), hint);
    }
  }

  /** The same the other way, against a peer that reads when it likes. */
  @ParameterizedTest
  @ValueSource(strings = {"tcp", "unix"})
  void aFullWireRefusesAndSaysWhenThereIsRoom(String kind) throws Exception {
    int frames = 20_000;
    try (StreamBackend server = open(at(kind));
        SocketChannel peer = Wire.connect(server)) {
      Wire.awaitLink(server);
      Semaphore awake = new Semaphore(0);
      server.onReady(awake::release);
      Semaphore full = new Semaphore(0);
      List<Throwable> failures = new ArrayList<>();
      Thread reader =
          Thread.ofPlatform()
              .daemon()
              .start(
                  () -> {
                    try {
                      full.acquire();
                      for (int i = 0; i < frames; i++) {
                        assertArrayEquals(Wire.frame(i, 14 + i % 1500), Wire.readFrame(peer));
                      }
                    } catch (IOException | InterruptedException | AssertionError e) {
                      failures.add(e);
                    }
                  });
      for (int i = 0; i < frames; i++) {
        byte[] frame = Wire.frame(i, 14 + i % 1500);
        while (!Wire.tryCommit(server, frame)) {
          server.flush();
          full.release();
          assertTrue(awake.tryAcquire(30, TimeUnit.SECONDS), "no wake-up, frame " + i);
        }
        if (i % 64 == 0) {
          server.flush();
        }
      }
      server.flush();
      reader.join(Duration.ofSeconds(60));
      assertEquals(List.of(), failures);
      assertFalse(reader.isAlive());
      assertTrue(server.counters().refused() > 0);
      assertEquals(0, server.counters().droppedOut());
    }
  }

  @Test
  void aPeerIsHeldBackByADeviceThatDoesNotReadAndIsNotTakenForStalled() throws Exception {
    StreamConfig config = StreamConfig.listen(Wire.anyPort()).withPatience(SOON);
    try (StreamBackend server = open(config);
        SocketChannel peer = Wire.connect(server)) {
      peer.configureBlocking(false);
      byte[] frame = Wire.frame(0, LARGEST);
      ByteBuffer wire = Wire.framed(frame);
      long written = 0;
      long quietSince = System.nanoTime();
      // Until nothing moves for five times the patience: every buffer on the way is full.
      while (System.nanoTime() - quietSince < 5 * SOON.toNanos()) {
        int n = peer.write(wire);
        if (n > 0) {
          written += n;
          quietSince = System.nanoTime();
        }
        if (!wire.hasRemaining()) {
          wire.rewind();
        }
      }
      assertTrue(server.linkUp(), () -> "lines: " + lines);
      for (long i = 0; i < written / (4 + LARGEST); i++) {
        assertArrayEquals(frame, Wire.receive(server));
      }
    }
  }

  // What a hostile peer sends.

  @ParameterizedTest
  @CsvSource({
    "00000000, ZERO_LENGTH, length 0",
    "ffffffff, GIANT, 4294967295",
    "80000000, GIANT, 2147483648",
    "00010011, GIANT, 65553",
    "16030102, GIANT, TLS",
  })
  void aLengthThatCannotBeEndsTheConnectionAfterWhatCameBefore(
      String length, StreamTrouble trouble, String named) throws IOException {
    try (StreamBackend server = server();
        SocketChannel peer = Wire.connect(server)) {
      byte[] before = Wire.frame(1, 60);
      byte[] after = Wire.frame(2, 60);
      ByteBuffer bytes =
          ByteBuffer.allocate(200)
              .put(Wire.framed(before))
              .putInt(Integer.parseUnsignedInt(length, 16))
              .put(Wire.framed(after))
              .flip();
      Wire.write(peer, bytes);

      assertArrayEquals(before, Wire.receive(server));
      Wire.assertEnds(peer);
      Wire.await("the trouble", () -> server.count(trouble) == 1 && !server.linkUp());
      assertEquals(0, server.peek());
      assertEquals(1, lines.size(), lines::toString);
      assertTrue(lines.peek().contains(named), lines::toString);

      try (SocketChannel next = Wire.connect(server)) {
        Wire.write(next, Wire.framed(after));
        assertArrayEquals(after, Wire.receive(server), "the next peer is served");
      }
    }
  }

  @Test
  void framesThatAreNoneAreSkippedAndCounted() throws IOException {
    try (StreamBackend server = server();
        SocketChannel peer = Wire.connect(server)) {
      int runts = 10_000;
      for (int i = 0; i < runts; i++) {
        Wire.write(peer, Wire.framed(Wire.frame(i, 1 + i % 13)));
      }
      Wire.write(peer, Wire.framed(Wire.frame(9, 14)));

      assertArrayEquals(Wire.frame(9, 14), Wire.receive(server));
      assertEquals(runts, server.counters().droppedIn());
      assertEquals(1, server.counters().framesIn());
      assertTrue(server.linkUp());
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 4, 5, 63})
  void halfAFrameAndSilenceIsNotWaitedForForEver(int bytes) throws IOException {
    StreamConfig config = StreamConfig.listen(Wire.anyPort()).withPatience(SOON);
    try (StreamBackend server = open(config);
        SocketChannel peer = Wire.connect(server)) {
      Wire.write(peer, Wire.framed(Wire.frame(1, 60)).limit(bytes));
      Wire.assertEnds(peer);
      Wire.await("the trouble", () -> server.count(StreamTrouble.STALLED) == 1);
      assertEquals(0, server.peek());
      assertEquals(1, lines.size(), lines::toString);
    }
  }

  @Test
  void aFrameThatDripsIsNotWaitedForEither() throws Exception {
    StreamConfig config = StreamConfig.listen(Wire.anyPort()).withPatience(SOON);
    try (StreamBackend server = open(config);
        SocketChannel peer = Wire.connect(server)) {
      ByteBuffer wire = Wire.framed(Wire.frame(1, LARGEST));
      long next = System.nanoTime();
      while (server.count(StreamTrouble.STALLED) == 0) {
        if (System.nanoTime() >= next && wire.hasRemaining()) {
          try {
            peer.write(wire.slice(wire.position(), 1));
          } catch (IOException e) {
            break; // closed
          }
          wire.position(wire.position() + 1);
          next += SOON.toNanos() / 10;
        }
        Thread.onSpinWait();
      }
      assertTrue(wire.position() < 100, "bytes dripped: " + wire.position());
      Wire.await("the trouble", () -> server.count(StreamTrouble.STALLED) == 1);
    }
  }

  @Test
  void silenceBetweenFramesIsNoTrouble() throws Exception {
    StreamConfig config = StreamConfig.listen(Wire.anyPort()).withPatience(Duration.ofMillis(100));
    try (StreamBackend server = open(config);
        SocketChannel peer = Wire.connect(server)) {
      Wire.awaitLink(server);
      // In two parts, so that the clock has been started.
      Wire.write(peer, Wire.framed(Wire.frame(1, 60)).limit(30));
      long part = System.nanoTime();
      Wire.await("a moment", () -> System.nanoTime() - part > 5_000_000L);
      Wire.write(peer, Wire.framed(Wire.frame(1, 60)).position(30));
      Wire.receive(server);
      long start = System.nanoTime();
      Wire.await("five times the patience", () -> System.nanoTime() - start > 500_000_000L);
      assertTrue(server.linkUp(), lines::toString);
      Wire.write(peer, Wire.framed(Wire.frame(2, 60)));
      assertArrayEquals(Wire.frame(2, 60), Wire.receive(server));
    }
  }

  @Test
  void aSecondPeerIsSentAwayAndTheFirstIsUndisturbed() throws IOException {
    try (StreamBackend server = server();
        SocketChannel first = Wire.connect(server)) {
      Wire.awaitLink(server);
      Wire.write(first, Wire.framed(Wire.frame(1, 60)).limit(30));
      for (int i = 1; i <= 3; i++) {
        try (SocketChannel second = Wire.connect(server)) {
          Wire.assertEnds(second);
        }
        int soFar = i;
        Wire.await("the count", () -> server.count(StreamTrouble.SECOND_PEER) == soFar);
      }
      Wire.write(first, Wire.framed(Wire.frame(1, 60)).position(30));
      assertArrayEquals(Wire.frame(1, 60), Wire.receive(server));
      Wire.send(server, Wire.frame(2, 60));
      assertArrayEquals(Wire.frame(2, 60), Wire.readFrame(first));
      assertEquals(1, server.connects());
    }
  }

  @Test
  void whatIsToldIsToldOnceHoweverOftenAPeerComesBack() throws IOException {
    try (StreamBackend server = server()) {
      for (int i = 1; i <= 5; i++) {
        try (SocketChannel peer = Wire.connect(server)) {
          Wire.write(peer, ByteBuffer.allocate(4));
          Wire.assertEnds(peer);
        }
        int soFar = i;
        Wire.await("the count", () -> server.count(StreamTrouble.ZERO_LENGTH) == soFar);
      }
      assertEquals(List.of("ZERO_LENGTH it sent a frame of length 0"), List.copyOf(lines));
    }
  }

  // Going and coming back.

  @Test
  void aPartOfAFrameDiesWithItsConnection() throws IOException {
    try (StreamBackend server = server()) {
      try (SocketChannel peer = Wire.connect(server)) {
        Wire.write(peer, Wire.framed(Wire.frame(1, 60), Wire.frame(2, 600)).limit(100));
        assertArrayEquals(Wire.frame(1, 60), Wire.receive(server));
      }
      Wire.await("the trouble", () -> server.count(StreamTrouble.CUT_FRAME) == 1);
      try (SocketChannel peer = Wire.connect(server)) {
        Wire.write(peer, Wire.framed(Wire.frame(3, 60)));
        assertArrayEquals(Wire.frame(3, 60), Wire.receive(server));
        assertEquals(0, server.peek());
      }
    }
  }

  @Test
  void aClientComesBackAndNothingOfBeforeIsSentAgain() throws Exception {
    try (ServerSocketChannel listening =
        ServerSocketChannel.open().bind(new InetSocketAddress("127.0.0.1", 0))) {
      int port = ((InetSocketAddress) listening.getLocalAddress()).getPort();
      StreamConfig config =
          StreamConfig.connect(new StreamAddress.Tcp("127.0.0.1", port)).withReconnect(SOON);
      try (StreamBackend client = open(config)) {
        int sent = 0;
        int received = -1;
        int first = 0;
        for (int round = 1; round <= 3; round++) {
          try (SocketChannel peer = listening.accept()) {
            Wire.awaitLink(client);
            int soFar = round;
            Wire.await("a new connection", () -> client.connects() == soFar);
            // More than the socket takes, so that the end comes in the middle of a frame.
            long quietSince = System.nanoTime();
            while (System.nanoTime() - quietSince < SOON.toNanos()) {
              if (Wire.tryCommit(client, numbered(sent))) {
                sent++;
                quietSince = System.nanoTime();
              }
              client.flush();
            }
            for (int i = 0; i < 3; i++) {
              int number = number(Wire.readFrame(peer));
              assertTrue(number > received, "again: " + number);
              assertTrue(number >= first, "round " + round + ": " + number + " is of before");
              received = number;
            }
          }
          int ended = round;
          Wire.await("the end", () -> !client.linkUp() || client.connects() > ended);
          first = sent;
        }
      }
    }
  }

  @Test
  void whatIsSentWhileNobodyIsThereIsLostAndCounted() throws IOException {
    try (StreamBackend server = server()) {
      Wire.send(server, Wire.frame(1, 60));
      assertEquals(1, server.counters().droppedOut());
      try (SocketChannel peer = Wire.connect(server)) {
        Wire.awaitLink(server);
        Wire.send(server, Wire.frame(2, 60));
        assertArrayEquals(Wire.frame(2, 60), Wire.readFrame(peer));
      }
      Wire.await("the end", () -> !server.linkUp());
      Wire.send(server, Wire.frame(3, 60));
      Wire.await("the loss", () -> server.counters().droppedOut() == 2);
      assertEquals(0, server.counters().framesIn());
    }
  }

  private static byte[] numbered(int number) {
    byte[] frame = Wire.frame(number, 60_000);
    ByteBuffer.wrap(frame).putInt(0, number);
    return frame;
  }

  private static int number(byte[] frame) {
    int number = ByteBuffer.wrap(frame).getInt(0);
    assertArrayEquals(numbered(number), frame);
    return number;
  }

  @Test
  void aClientWaitsForItsServer() throws Exception {
    Path path = folder.resolve("later");
    StreamAddress address = new StreamAddress.Unix(path);
    try (StreamBackend client = open(StreamConfig.connect(address).withReconnect(SOON))) {
      Wire.await("attempts", () -> client.count(StreamTrouble.NO_PEER) >= 3);
      assertFalse(client.linkUp());
      try (StreamBackend server = open(StreamConfig.listen(address))) {
        Wire.awaitLink(server, client);
      }
      Wire.await("the end", () -> !client.linkUp());
    }
  }

  @Test
  void afterAConnectionThatLastedTheFirstPauseIsShortAgain() {
    StreamAddress address = new StreamAddress.Unix(folder.resolve("s"));
    Duration limit = Duration.ofMillis(1600);
    try (StreamBackend client = open(StreamConfig.connect(address).withReconnect(limit))) {
      // 100, 200, 400, 800 ms: the next pause would be of 800 ms at least.
      Wire.await("attempts", () -> client.count(StreamTrouble.NO_PEER) >= 5);
      try (StreamBackend server = open(StreamConfig.listen(address))) {
        Wire.awaitLink(server, client);
        long up = System.nanoTime();
        Wire.await("more than the limit", () -> System.nanoTime() - up > limit.toNanos() * 5 / 4);
      }
      long attempts = client.count(StreamTrouble.NO_PEER);
      long down = System.nanoTime();
      Wire.await("another", () -> client.count(StreamTrouble.NO_PEER) > attempts);
      assertTrue(System.nanoTime() - down < 700_000_000L, "the pause is as long as before");
    }
  }

  @Test
  void aClientThatMayNotComeBackTriesOnce() {
    StreamAddress nowhere = new StreamAddress.Unix(folder.resolve("nowhere"));
    StreamConfig config = StreamConfig.connect(nowhere).withReconnect(Duration.ZERO);
    try (StreamBackend client = open(config)) {
      Wire.await("the attempt", () -> client.count(StreamTrouble.NO_PEER) == 1);
      long start = System.nanoTime();
      Wire.await("a while", () -> System.nanoTime() - start > SOON.toNanos());
      assertEquals(1, client.count(StreamTrouble.NO_PEER));
    }
  }

  @Test
  void pausesDoubleUpToTheLimitAndFollowFromTheSeed() {
    Backoff one = new Backoff(5000, new SplittableRandom(7));
    Backoff same = new Backoff(5000, new SplittableRandom(7));
    Backoff other = new Backoff(5000, new SplittableRandom(8));
    boolean differs = false;
    for (long ceiling = 100, i = 0; i < 20; i++, ceiling = Math.min(5000, 2 * ceiling)) {
      long pause = one.nextMillis();
      assertTrue(pause >= ceiling / 2 && pause <= ceiling, pause + " of " + ceiling);
      assertEquals(pause, same.nextMillis());
      differs |= pause != other.nextMillis();
    }
    assertTrue(differs);
    one.reset();
    assertTrue(one.nextMillis() <= 100);
  }

  // What it takes and leaves.

  @ParameterizedTest
  @ValueSource(strings = {"tcp", "unix"})
  void nothingIsLeftOfAnyConnection(String kind) throws IOException {
    framesCrossBothWaysUnchanged(kind); // classes are loaded, and what the JDK keeps is there
    Wire.await("threads of before to end", () -> threads() == 0);
    long before = descriptors();
    for (int i = 0; i < 30; i++) {
      try (StreamBackend server = open(at(kind));
          StreamBackend client = clientOf(server)) {
        Wire.awaitLink(server, client);
        assertTrue(threads() >= 2);
      }
      try (StreamBackend server = open(at(kind))) {
        for (int n = 1; n <= 10; n++) {
          int soFar = n;
          try (SocketChannel peer = Wire.connect(server)) {
            Wire.await("it", () -> server.connects() == soFar && server.linkUp());
            assertTrue(peer.isOpen());
          }
          Wire.await("its end", () -> !server.linkUp());
        }
      }
    }
    Wire.await("all threads to end", () -> threads() == 0);
    assertTrue(descriptors() <= before, before + " descriptors, then " + descriptors());
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(List.of(), files.toList());
    }
  }

  private static long threads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().startsWith("stream-"))
        .count();
  }

  private static long descriptors() throws IOException {
    try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
      return open.count();
    }
  }

  @Test
  void aSocketLeftByAProcessThatWasKilledIsTakenOver() throws IOException {
    Path path = folder.resolve("s");
    Wire.listenUnix(path).close(); // Java leaves the file, as the kernel does
    assertTrue(Files.exists(path));
    try (StreamBackend server = open(StreamConfig.listen(new StreamAddress.Unix(path)));
        StreamBackend client = clientOf(server)) {
      Wire.awaitLink(server, client);
    }
    assertFalse(Files.exists(path));
  }

  @Test
  void whatIsNotItsOwnIsLeftAlone() throws IOException {
    Path path = folder.resolve("s");
    StreamConfig config = StreamConfig.listen(new StreamAddress.Unix(path));
    Files.writeString(path, "precious");
    BackendOpenException e = assertThrows(BackendOpenException.class, () -> open(config));
    assertTrue(e.getMessage().contains("no socket"), e::getMessage);
    assertEquals("precious", Files.readString(path));
    Files.delete(path);

    try (ServerSocketChannel other = Wire.listenUnix(path)) {
      e = assertThrows(BackendOpenException.class, () -> open(config));
      assertTrue(e.getMessage().contains("somebody listens"), e::getMessage);
      assertTrue(other.isOpen() && Files.exists(path));
    }
  }

  @Test
  void whatTookItsSocketsPlaceIsLeftAlone() throws IOException {
    Path path = folder.resolve("s");
    StreamConfig config = StreamConfig.listen(new StreamAddress.Unix(path));
    StreamBackend first = open(config);
    Files.delete(path);
    try (StreamBackend second = open(config)) {
      first.close();
      try (StreamBackend client = clientOf(second)) {
        Wire.awaitLink(second, client);
      }
    }
    assertFalse(Files.exists(path));

    StreamBackend third = open(config);
    Files.delete(path);
    Files.writeString(path, "precious");
    third.close();
    assertEquals("precious", Files.readString(path));
  }

  @Test
  void aPortThatIsTakenIsSaidInOneLine() {
    try (StreamBackend server = server()) {
      StreamConfig same = StreamConfig.listen(server.address());
      BackendOpenException e = assertThrows(BackendOpenException.class, () -> open(same));
      assertTrue(e.getMessage().contains("in use"), e::getMessage);
      assertEquals(1, e.getMessage().lines().count());
    }
    Wire.await("all threads to end", () -> threads() == 0);
  }

  @Test
  void nothingIsAllocatedPerFrameOnTheDevicesSide() {
    try (StreamBackend server = server();
        StreamBackend client = clientOf(server)) {
      Wire.awaitLink(server, client);
      int frames = 20_000;
      long bytes = Allocation.bytesOf(5, () -> exchange(server, client, frames));
      assertTrue(bytes < frames / 4, bytes + " bytes for " + frames + " frames");
    }
  }

  /** One thread drives both ends, in batches. */
  private static void exchange(NetBackend from, NetBackend to, int frames) {
    int received = 0;
    for (int sent = 0; sent < frames; ) {
      for (int i = 0; i < 32 && sent < frames && from.claim(64); i++) {
        from.claimed().set(ValueLayout.JAVA_LONG_UNALIGNED, from.claimedOffset(), sent);
        from.commit();
        sent++;
      }
      from.flush();
      received += receiveAll(to);
    }
    while (received < frames) {
      received += receiveAll(to);
      Thread.onSpinWait();
    }
  }

  private static int receiveAll(NetBackend to) {
    int received = 0;
    while (to.peek() != 0) {
      to.peeked().get(ValueLayout.JAVA_LONG_UNALIGNED, to.peekedOffset());
      to.release();
      received++;
    }
    return received;
  }
}
