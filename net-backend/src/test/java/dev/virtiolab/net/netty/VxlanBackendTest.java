package dev.virtiolab.net.netty;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.BackendOpenException;
import dev.virtiolab.net.netty.Vxlan.Peer;
import dev.virtiolab.posix.fixture.Allocation;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** RFC 7348, between a back end and Java's own sockets. Addresses are 127.0.0.1, .2 and .3. */
class VxlanBackendTest {
  private static final long OURS = 0x5254_0012_3456L;
  private static final long THEIRS = 0x0200_0000_0002L;
  private static final long OTHERS = 0x0200_0000_0003L;
  private static final int BATCH = 64;
  private static final long GROUP = 0x0100_5e00_0001L;

  private final Peer two = new Peer("127.0.0.2");
  private final Peer three = new Peer("127.0.0.3");
  private final Peer stranger = new Peer("127.0.0.4");
  private final AtomicLong nanos = new AtomicLong(-5); // soon to become positive
  private final ConcurrentLinkedQueue<String> told = new ConcurrentLinkedQueue<>();
  private final List<VxlanBackend> opened = new ArrayList<>();
  private VxlanConfig.Host local;

  @AfterEach
  void closeAll() {
    opened.forEach(VxlanBackend::close);
    two.close();
    three.close();
    stranger.close();
  }

  private VxlanBackend open(VxlanConfig config) {
    local = config.local();
    VxlanBackend backend =
        VxlanBackend.open(config, nanos::get, (trouble, line) -> told.add(trouble + " " + line));
    opened.add(backend);
    return backend;
  }

  private VxlanBackend openWithTwo() {
    return open(Vxlan.config("127.0.0.1", two, three));
  }

  private void deliver(Peer from, VxlanBackend backend, byte[] frame) {
    from.send(Vxlan.datagram(Vxlan.VNI, frame), local);
    assertArrayEquals(frame, Wire.receive(backend));
  }

  /** Sends a datagram and then a good frame, which alone arrives. */
  private void assertDropped(
      VxlanTrouble trouble, Peer from, byte[] datagram, VxlanBackend backend) {
    long before = backend.count(trouble);
    long lost = backend.counters().droppedIn();
    long learned = backend.count(VxlanEvent.LEARNED);
    from.send(datagram, local);
    Wire.await(trouble.word(), () -> backend.count(trouble) == before + 1);
    Wire.await("the loss", () -> backend.counters().droppedIn() == lost + 1);
    assertEquals(0, backend.peek());
    assertEquals(learned, backend.count(VxlanEvent.LEARNED));
  }

  /** The event loop counts after the deed that the test has seen; and no further. */
  private static void awaitCount(long times, VxlanEvent event, VxlanBackend backend) {
    Wire.await(times + " " + event.word(), () -> backend.count(event) >= times);
    assertEquals(times, backend.count(event), event::word);
  }

  // Out.

  @Test
  void broadcastGoesToEveryPeerBehindTheHeaderOfSection5() {
    VxlanBackend backend = openWithTwo();
    byte[] frame = Vxlan.frame(Vxlan.BROADCAST, OURS, 1);
    Wire.send(backend, frame);
    two.assertReceives(frame);
    three.assertReceives(frame);
    assertEquals(1, backend.counters().framesOut());
    assertEquals(60, backend.counters().bytesOut());
    awaitCount(1, VxlanEvent.FLOODED, backend);
    awaitCount(2, VxlanEvent.DATAGRAMS, backend);
    Vxlan.assertTroubles(backend);
  }

  @Test
  void groupsAndUnknownStationsGoToEveryPeerAndKnownOnesToTheirs() {
    VxlanBackend backend = openWithTwo();
    for (long receiver : new long[] {GROUP, THEIRS}) {
      byte[] frame = Vxlan.frame(receiver, OURS, 2);
      Wire.send(backend, frame);
      two.assertReceives(frame);
      three.assertReceives(frame);
    }
    deliver(three, backend, Vxlan.frame(OURS, THEIRS, 3));
    awaitCount(1, VxlanEvent.LEARNED, backend);
    byte[] answer = Vxlan.frame(THEIRS, OURS, 4);
    byte[] last = Vxlan.frame(GROUP, OURS, 5);
    Wire.send(backend, answer);
    Wire.send(backend, last);
    three.assertReceives(answer);
    three.assertReceives(last);
    two.assertReceives(last); // the answer was not for it
    awaitCount(1, VxlanEvent.TO_ONE, backend);
  }

  @Test
  void stationThatMovesIsFollowed() {
    VxlanBackend backend = openWithTwo();
    deliver(two, backend, Vxlan.frame(OURS, THEIRS, 1));
    deliver(three, backend, Vxlan.frame(OURS, THEIRS, 2));
    awaitCount(1, VxlanEvent.LEARNED, backend);
    awaitCount(1, VxlanEvent.MOVED, backend);
    byte[] frame = Vxlan.frame(THEIRS, OURS, 3);
    Wire.send(backend, frame);
    three.assertReceives(frame);
    awaitCount(1, VxlanEvent.TO_ONE, backend);
  }

  @Test
  void silentStationIsForgottenAfterItsTime() {
    VxlanBackend backend =
        open(Vxlan.config("127.0.0.1", two, three).withTable(8, Duration.ofSeconds(10)));
    deliver(two, backend, Vxlan.frame(OURS, THEIRS, 1));
    nanos.addAndGet(TimeUnit.SECONDS.toNanos(10));
    byte[] frame = Vxlan.frame(THEIRS, OURS, 2);
    Wire.send(backend, frame);
    two.assertReceives(frame);
    awaitCount(1, VxlanEvent.DATAGRAMS, backend);
    nanos.incrementAndGet();
    Wire.send(backend, frame);
    two.assertReceives(frame);
    three.assertReceives(frame);
  }

  @Test
  void tableIsBoundedAndInventedStationsReplaceInventedOnes() {
    VxlanBackend backend =
        open(Vxlan.config("127.0.0.1", two, three).withTable(8, Duration.ofSeconds(10)));
    deliver(two, backend, Vxlan.frame(OURS, THEIRS, 1));
    for (int i = 0; i < 100; i++) {
      deliver(three, backend, Vxlan.frame(OURS, OTHERS + 0x100 + i, i));
    }
    awaitCount(101, VxlanEvent.LEARNED, backend);
    awaitCount(93, VxlanEvent.REPLACED, backend);
    byte[] frame = Vxlan.frame(THEIRS, OURS, 2);
    Wire.send(backend, frame);
    two.assertReceives(frame);
    awaitCount(1, VxlanEvent.TO_ONE, backend);
  }

  @Test
  void withoutLearningEveryStationIsSoughtEverywhere() {
    VxlanBackend backend = open(Vxlan.config("127.0.0.1", two, three).withoutLearning());
    deliver(two, backend, Vxlan.frame(OURS, THEIRS, 1));
    byte[] frame = Vxlan.frame(THEIRS, OURS, 2);
    Wire.send(backend, frame);
    two.assertReceives(frame);
    three.assertReceives(frame);
    awaitCount(0, VxlanEvent.LEARNED, backend);
  }

  @Test
  void stationKnownBeforehandIsNeverLearnedOtherwise() {
    VxlanBackend backend =
        open(
            Vxlan.config("127.0.0.1", two)
                .withStations(List.of(new VxlanConfig.Station(THEIRS, three.host()))));
    assertDropped(
        VxlanTrouble.SPOOFED_STATION,
        two,
        Vxlan.datagram(Vxlan.VNI, Vxlan.frame(OURS, THEIRS, 1)),
        backend);
    deliver(three, backend, Vxlan.frame(OURS, THEIRS, 2));
    awaitCount(0, VxlanEvent.LEARNED, backend);
    byte[] frame = Vxlan.frame(THEIRS, OURS, 3);
    Wire.send(backend, frame);
    three.assertReceives(frame);
    // Who is known for its stations only gets nothing else.
    byte[] all = Vxlan.frame(Vxlan.BROADCAST, OURS, 4);
    Wire.send(backend, all);
    two.assertReceives(all);
    Wire.send(backend, frame);
    three.assertReceives(frame);
    awaitCount(3, VxlanEvent.DATAGRAMS, backend);
  }

  @Test
  void receiverThatNobodyKnowsIsLostWhereNobodyCanBeAsked() {
    VxlanBackend backend =
        open(
            new VxlanConfig(
                Vxlan.freeHost("127.0.0.1"),
                Vxlan.VNI,
                List.of(),
                List.of(new VxlanConfig.Station(THEIRS, two.host())),
                true,
                Duration.ofSeconds(300),
                8,
                0));
    Wire.send(backend, Vxlan.frame(Vxlan.BROADCAST, OURS, 1));
    Wire.await("the loss", () -> backend.counters().droppedOut() == 1);
    Vxlan.assertTroubles(backend, VxlanTrouble.NO_WAY);
  }

  @Test
  void framesOfABatchKeepTheirOrder() {
    VxlanBackend backend = open(Vxlan.config("127.0.0.1", two));
    for (int i = 0; i < 100; i++) {
      Wire.tryCommit(backend, Vxlan.frame(THEIRS, OURS, i, 14 + i));
    }
    backend.flush();
    for (int i = 0; i < 100; i++) {
      two.assertReceives(Vxlan.frame(THEIRS, OURS, i, 14 + i));
    }
  }

  @Test
  void runtFromTheDeviceIsLost() {
    VxlanBackend backend = open(Vxlan.config("127.0.0.1", two));
    Wire.send(backend, new byte[13]);
    Wire.await("the loss", () -> backend.counters().droppedOut() == 1);
    byte[] frame = Vxlan.frame(THEIRS, OURS, 1, 14);
    Wire.send(backend, frame);
    two.assertReceives(frame);
  }

  @Test
  void everyFrameIsSentBeforeTheWireCloses() {
    VxlanBackend backend = open(Vxlan.config("127.0.0.1", two));
    for (int i = 0; i < 300; i++) {
      Wire.tryCommit(backend, Vxlan.frame(THEIRS, OURS, i));
    }
    backend.flush();
    backend.close();
    assertEquals(300, backend.count(VxlanEvent.DATAGRAMS));
    assertEquals(0, backend.counters().droppedOut());
    // A socket that nobody reads holds the first of them.
    for (int i = 0; i < 50; i++) {
      two.assertReceives(Vxlan.frame(THEIRS, OURS, i));
    }
  }

  // In.

  @Test
  void anySourcePortOfAPeersAddressIsThePeer() {
    VxlanBackend backend = openWithTwo();
    try (Peer sameHost = new Peer("127.0.0.2")) {
      deliver(sameHost, backend, Vxlan.frame(OURS, THEIRS, 1));
    }
    byte[] frame = Vxlan.frame(THEIRS, OURS, 2);
    Wire.send(backend, frame);
    two.assertReceives(frame); // at its own port
    awaitCount(1, VxlanEvent.TO_ONE, backend);
  }

  @Test
  void peersThatShareAnAddressAreToldApartByPort() {
    try (Peer sameHost = new Peer("127.0.0.2");
        Peer third = new Peer("127.0.0.2")) {
      VxlanBackend backend = open(Vxlan.config("127.0.0.1", two, sameHost));
      deliver(sameHost, backend, Vxlan.frame(OURS, THEIRS, 1));
      byte[] frame = Vxlan.frame(THEIRS, OURS, 2);
      Wire.send(backend, frame);
      sameHost.assertReceives(frame);
      assertDropped(
          VxlanTrouble.UNKNOWN_PEER,
          third,
          Vxlan.datagram(Vxlan.VNI, Vxlan.frame(OURS, OTHERS, 3)),
          backend);
    }
  }

  @Test
  void reservedBitsAreNotLookedAt() {
    VxlanBackend backend = openWithTwo();
    byte[] frame = Vxlan.frame(OURS, THEIRS, 1);
    byte[] datagram = Vxlan.datagram(0xff, Vxlan.VNI, frame);
    for (int reserved : new int[] {1, 2, 3, 7}) {
      datagram[reserved] = (byte) 0xff;
    }
    two.send(datagram, local);
    assertArrayEquals(frame, Wire.receive(backend));
    Vxlan.assertTroubles(backend);
  }

  @Test
  void whatIsNotOfThisSegmentIsDroppedCountedAndNotLearnedFrom() {
    VxlanBackend backend = openWithTwo();
    byte[] frame = Vxlan.frame(OURS, THEIRS, 1);
    byte[] good = Vxlan.datagram(Vxlan.VNI, frame);
    assertDropped(VxlanTrouble.UNKNOWN_PEER, stranger, good, backend);
    assertDropped(VxlanTrouble.TRUNCATED, two, new byte[0], backend);
    assertDropped(VxlanTrouble.TRUNCATED, two, Arrays.copyOf(good, 21), backend);
    assertDropped(VxlanTrouble.BAD_FLAGS, two, Vxlan.datagram(0xf7, Vxlan.VNI, frame), backend);
    assertDropped(VxlanTrouble.WRONG_VNI, two, Vxlan.datagram(Vxlan.VNI + 1, frame), backend);
    assertDropped(
        VxlanTrouble.WRONG_VNI, two, Vxlan.datagram(Vxlan.VNI ^ 0x800000, frame), backend);
    for (long source : new long[] {0, GROUP, Vxlan.BROADCAST}) {
      assertDropped(
          VxlanTrouble.BAD_SOURCE,
          two,
          Vxlan.datagram(Vxlan.VNI, Vxlan.frame(OURS, source, 1)),
          backend);
    }
    // Nothing of all that made the station known, and the wire goes on.
    byte[] out = Vxlan.frame(THEIRS, OURS, 2);
    Wire.send(backend, out);
    two.assertReceives(out);
    three.assertReceives(out);
    deliver(two, backend, Vxlan.frame(OURS, THEIRS, 3, 14));
    // Each kind was told once, and by its sender's address.
    assertEquals(5, told.size(), told::toString);
    assertTrue(told.stream().anyMatch(line -> line.contains("127.0.0.4")), told::toString);
  }

  @Test
  void senderOfOurOwnAddressAndPortIsThisEndItself() throws Exception {
    VxlanConfig config = Vxlan.config("127.0.0.1", two);
    VxlanPeers peers = VxlanPeers.resolve(config);
    InetSocketAddress own = new InetSocketAddress(config.local().name(), config.local().port());
    assertEquals(VxlanPeers.OURSELVES, peers.find(own));
    assertEquals(
        VxlanPeers.NOBODY, peers.find(new InetSocketAddress("127.0.0.1", own.getPort() ^ 1)));
    VxlanPeers everywhere =
        VxlanPeers.resolve(
            VxlanConfig.of(
                new VxlanConfig.Host("0.0.0.0", own.getPort()),
                Vxlan.VNI,
                List.of(two.host(), new VxlanConfig.Host("127.0.0.1", own.getPort() ^ 1))));
    assertEquals(VxlanPeers.OURSELVES, everywhere.find(own));
    assertEquals(1, everywhere.find(new InetSocketAddress("127.0.0.1", own.getPort() ^ 1)));
    assertEquals(
        VxlanPeers.NOBODY, everywhere.find(new InetSocketAddress("127.0.0.1", own.getPort() ^ 2)));
    assertEquals(0, everywhere.find(new InetSocketAddress("127.0.0.2", 1)));
  }

  @Test
  void frameOfAnOwnStationThatAPeerHandsBackIsDropped() {
    VxlanBackend backend = openWithTwo();
    byte[] frame = Vxlan.frame(Vxlan.BROADCAST, OURS, 1);
    Wire.send(backend, frame);
    byte[] returned = two.receive();
    assertDropped(VxlanTrouble.LOOPED_BACK, two, returned, backend);
    nanos.addAndGet(TimeUnit.SECONDS.toNanos(5) + 1);
    // Later it may be the station itself, that has moved there.
    two.send(returned, local);
    assertArrayEquals(frame, Wire.receive(backend));
    awaitCount(1, VxlanEvent.LEARNED, backend);
  }

  @Test
  void ringThatIsFullMakesTheSocketWaitAndNothingIsLostOrReordered() {
    VxlanBackend backend = openWithTwo();
    // The ring holds 32 of them, and the smallest of sockets the rest.
    int frames = 37;
    for (int i = 0; i < frames; i++) {
      two.send(Vxlan.datagram(Vxlan.VNI, Vxlan.frame(OURS, THEIRS, i, 30_000)), local);
    }
    Wire.await("a frame", () -> backend.peek() != 0);
    for (int i = 0; i < frames; i++) {
      assertArrayEquals(Vxlan.frame(OURS, THEIRS, i, 30_000), Wire.receive(backend));
    }
    deliver(two, backend, Vxlan.frame(OURS, THEIRS, 99));
  }

  // What it costs.

  /** Between two back ends, in batches: a wake-up of the event loop costs some, a frame nothing. */
  @Test
  void nothingIsAllocatedPerFrameByTheEventLoopOrTheDevice() throws Exception {
    VxlanConfig.Host here = Vxlan.freeHost("127.0.0.1");
    VxlanConfig.Host there = Vxlan.freeHost("127.0.0.2");
    VxlanBackend left = open(VxlanConfig.of(here, Vxlan.VNI, List.of(there)));
    VxlanBackend right = open(VxlanConfig.of(there, Vxlan.VNI, List.of(here)));
    byte[] one = Vxlan.frame(THEIRS, OURS, 1);
    byte[] two = Vxlan.frame(OURS, THEIRS, 2);
    int batches = 500;
    Runnable exchange =
        () -> {
          for (int i = 0; i < batches; i++) {
            cross(left, right, one);
            cross(right, left, two);
          }
        };
    Allocation.bytesOf(5, exchange);
    long loop = left.loop.submit(Allocation::bytesSoFar).get();
    long device = Allocation.bytesOf(0, exchange);
    loop = left.loop.submit(Allocation::bytesSoFar).get() - loop;
    int frames = batches * BATCH;
    assertTrue(device < frames, "the device's thread allocated " + device);
    assertTrue(loop < 4 * frames, "the event loop allocated " + loop + " for " + frames);
  }

  private static void cross(VxlanBackend from, VxlanBackend to, byte[] frame) {
    for (int i = 0; i < BATCH; i++) {
      Wire.tryCommit(from, frame);
    }
    from.flush();
    for (int i = 0; i < BATCH; i++) {
      while (to.peek() == 0) {
        Thread.onSpinWait();
      }
      to.release();
    }
  }

  // Storms.

  @Test
  void stormOfBroadcastIsBoundedEitherWayAndUnicastPasses() {
    VxlanBackend backend = open(Vxlan.config("127.0.0.1", two, three).withStorm(100));
    deliver(two, backend, Vxlan.frame(OURS, THEIRS, 1));
    for (int i = 0; i < 100; i++) {
      two.send(
          Vxlan.datagram(Vxlan.VNI, Vxlan.frame(Vxlan.BROADCAST, OTHERS + 0x100 + i, i)), local);
    }
    Wire.await("the storm's end", () -> backend.count(VxlanTrouble.STORM_IN) == 84);
    awaitCount(17, VxlanEvent.LEARNED, backend); // of nothing that was dropped
    for (int i = 0; i < 16; i++) {
      assertArrayEquals(Vxlan.frame(Vxlan.BROADCAST, OTHERS + 0x100 + i, i), Wire.receive(backend));
    }
    deliver(two, backend, Vxlan.frame(OURS, THEIRS, 2));
    // Another peer has a bound of its own.
    deliver(three, backend, Vxlan.frame(Vxlan.BROADCAST, OTHERS, 3));

    for (int i = 0; i < 100; i++) {
      Wire.tryCommit(backend, Vxlan.frame(i % 2 == 0 ? Vxlan.BROADCAST : 0x02_0000L, OURS, i));
    }
    backend.flush();
    Wire.await("the storm's end", () -> backend.count(VxlanTrouble.STORM_OUT) == 84);
    Wire.await("the losses", () -> backend.counters().droppedOut() == 84);
    awaitCount(16, VxlanEvent.FLOODED, backend);
    byte[] known = Vxlan.frame(THEIRS, OURS, 4);
    Wire.send(backend, known);
    awaitCount(1, VxlanEvent.TO_ONE, backend);
    // A second later all is well.
    nanos.addAndGet(TimeUnit.SECONDS.toNanos(1));
    deliver(two, backend, Vxlan.frame(Vxlan.BROADCAST, THEIRS, 5));
    Wire.send(backend, Vxlan.frame(GROUP, OURS, 6));
    awaitCount(17, VxlanEvent.FLOODED, backend);
  }

  @Test
  void unknownStationIsNoStormWhereThereIsOnePeer() {
    VxlanBackend backend = open(Vxlan.config("127.0.0.1", two).withStorm(1).withoutLearning());
    for (int i = 0; i < 100; i++) {
      Wire.send(backend, Vxlan.frame(THEIRS, OURS, i));
      two.assertReceives(Vxlan.frame(THEIRS, OURS, i));
    }
    Vxlan.assertTroubles(backend);
  }

  // IPv6, size, and what cannot be.

  @Test
  void overIpv6FramesOfEverySizeCrossAndLargeOnesAreSaidToBeInFragments() {
    try (Peer peer = new Peer("::1")) {
      VxlanBackend backend = open(Vxlan.config("::1", peer));
      assertEquals(65_519, backend.maxFrameLength());
      byte[] whole = Vxlan.frame(THEIRS, OURS, 1, 65_480);
      Wire.send(backend, whole);
      peer.assertReceives(whole);
      Vxlan.assertTroubles(backend);
      byte[] largest = Vxlan.frame(THEIRS, OURS, 2, 65_519);
      Wire.send(backend, largest);
      peer.assertReceives(largest);
      Vxlan.assertTroubles(backend, VxlanTrouble.FRAGMENTED);
      assertTrue(told.peek().contains("a packet of 65575 where 65536 fit"), told::toString);
      deliver(peer, backend, Vxlan.frame(OURS, THEIRS, 3, 65_519));
    }
  }

  @Test
  void largestFrameOverIpv4Crosses() {
    VxlanBackend backend = openWithTwo();
    assertEquals(65_499, backend.maxFrameLength());
    byte[] largest = Vxlan.frame(Vxlan.BROADCAST, OURS, 2, 65_499);
    Wire.send(backend, largest);
    two.assertReceives(largest);
    three.assertReceives(largest);
    deliver(two, backend, Vxlan.frame(OURS, THEIRS, 3, 65_499));
  }

  @Test
  void overlaysMtuIsSmallerBy50BytesOverIpv4AndBy70OverIpv6() {
    assertEquals(OptionalInt.of(1450), new VxlanUnderlay(1500, 36).overlayMtu());
    assertEquals(OptionalInt.of(1430), new VxlanUnderlay(1500, 56).overlayMtu());
    assertEquals(OptionalInt.of(1499), new VxlanUnderlay(1549, 36).overlayMtu());
    assertEquals(OptionalInt.empty(), new VxlanUnderlay(1550, 36).overlayMtu());
    assertEquals(OptionalInt.empty(), new VxlanUnderlay(9000, 36).overlayMtu());
    assertEquals(OptionalInt.of(68), new VxlanUnderlay(68, 36).overlayMtu());
    assertFalse(new VxlanUnderlay(1500, 36).cuts(1464));
    assertTrue(new VxlanUnderlay(1500, 36).cuts(1465));
    assertEquals(OptionalInt.empty(), openWithTwo().mtu()); // loopback takes 65536
  }

  @Test
  void whatTheKernelDoesNotSendIsLostAndTold() {
    // A route to there would lead off the loopback interface: the kernel refuses.
    VxlanBackend backend =
        open(
            VxlanConfig.of(
                Vxlan.freeHost("127.0.0.1"),
                Vxlan.VNI,
                List.of(new VxlanConfig.Host("203.0.113.1", 4789))));
    Wire.send(backend, Vxlan.frame(THEIRS, OURS, 1));
    Wire.await("the loss", () -> backend.counters().droppedOut() == 1);
    Vxlan.assertTroubles(backend, VxlanTrouble.NOT_SENT);
    assertTrue(told.peek().contains("203.0.113.1"), told::toString);
    assertTrue(backend.linkUp());
  }

  @Test
  void whatCannotBeOpenedSaysWhyInOneLine() throws Exception {
    try (DatagramSocket taken =
        new DatagramSocket(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0))) {
      VxlanConfig.Host inUse = new VxlanConfig.Host("127.0.0.1", taken.getLocalPort());
      assertRefused(VxlanConfig.of(inUse, 1, List.of(two.host())), "already in use");
    }
    VxlanConfig.Host here = Vxlan.freeHost("127.0.0.1");
    for (String other : List.of("::1", "no-such-host.invalid")) {
      assertRefused(
          VxlanConfig.of(here, 1, List.of(new VxlanConfig.Host(other, 4789))), "no such host");
    }
    for (String other : List.of("0.0.0.0", "239.1.1.1")) {
      assertRefused(
          VxlanConfig.of(here, 1, List.of(new VxlanConfig.Host(other, 4789))), "no one host");
    }
    assertRefused(
        VxlanConfig.of(
            new VxlanConfig.Host("0.0.0.0", 4790),
            1,
            List.of(new VxlanConfig.Host("127.0.0.1", 4790))),
        "its own address");
    assertRefused(
        VxlanConfig.of(new VxlanConfig.Host("203.0.113.1", 4789), 1, List.of(two.host())),
        "cannot be bound");
  }

  private static void assertRefused(VxlanConfig config, String reason) {
    BackendOpenException e =
        assertThrows(BackendOpenException.class, () -> VxlanBackend.open(config));
    assertTrue(e.getMessage().contains(reason), e::getMessage);
    assertEquals(1, e.getMessage().lines().count());
  }
}
