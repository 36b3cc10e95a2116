package dev.virtiolab.net.bridge;

import static dev.virtiolab.net.bridge.Ethernet.BROADCAST;
import static dev.virtiolab.net.bridge.Ethernet.MULTICAST;
import static dev.virtiolab.net.bridge.Ethernet.PAUSE;
import static dev.virtiolab.net.bridge.Ethernet.frame;
import static dev.virtiolab.net.bridge.Ethernet.station;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.fixture.ScriptedBackend;
import dev.virtiolab.posix.fixture.Allocation;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LearningBridgeTest {
  private static final int BUDGET = 16;
  private static final int MAX = 1514;

  private final List<ScriptedBackend> ports =
      List.of(new ScriptedBackend(), new ScriptedBackend(), new ScriptedBackend());
  private long nowNanos;
  private final LearningBridge bridge =
      new LearningBridge(ports, 64, Duration.ofSeconds(300), () -> nowNanos);

  @AfterEach
  void close() {
    bridge.close();
  }

  /** A frame comes in, and the bridge is polled. */
  private void arrive(int port, byte[] frame) {
    ports.get(port).deliver(frame);
    bridge.poll(BUDGET);
  }

  private void assertSent(int... counts) {
    for (int port = 0; port < counts.length; port++) {
      assertEquals(counts[port], ports.get(port).sentCount(), "frames out of port " + port);
      assertEquals(0, ports.get(port).unflushed(), "left unflushed at port " + port);
    }
  }

  @Test
  void unknownStationIsFloodedToAllButTheIngressPort() {
    byte[] frame = frame(station(9), station(1), 1);
    arrive(0, frame);
    assertSent(0, 1, 1);
    assertArrayEquals(frame, ports.get(1).sent().getFirst());
    assertArrayEquals(frame, ports.get(2).sent().getFirst());
    assertEquals(1, bridge.counters(0).flooded());
    assertEquals(1, bridge.counters(0).learned());
  }

  @Test
  void knownStationIsReachedAtItsPortOnly() {
    arrive(0, frame(BROADCAST, station(1), 1));
    arrive(2, frame(station(1), station(3), 2));
    assertSent(1, 1, 1);
    assertEquals(1, bridge.counters(2).relayed());
  }

  @Test
  void groupsAreFloodedAndNeverLearned() {
    arrive(0, frame(station(9), MULTICAST, 1));
    arrive(1, frame(MULTICAST, station(2), 2));
    arrive(1, frame(BROADCAST, station(2), 3));
    assertSent(2, 1, 3);
    assertEquals(0, bridge.counters(0).learned());
    assertEquals(1, bridge.counters(1).learned());
  }

  @Test
  void frameForAStationBehindItsOwnPortIsFiltered() {
    arrive(0, frame(BROADCAST, station(1), 1));
    arrive(0, frame(BROADCAST, station(2), 2));
    arrive(0, frame(station(1), station(2), 3));
    assertSent(0, 2, 2);
    assertEquals(1, bridge.counters(0).filtered());
  }

  @Test
  void addressesThatNoBridgeRelaysAreFiltered() {
    // 802.1D-2004, 7.12.6: 01-80-C2-00-00-00 to -0F; the next one is an ordinary group.
    arrive(0, frame(0x0180_c200_0000L, station(1), 1));
    arrive(0, frame(PAUSE, station(1), 1));
    arrive(0, frame(0x0180_c200_000fL, station(1), 1));
    assertSent(0, 0, 0);
    assertEquals(3, bridge.counters(0).filtered());
    arrive(0, frame(0x0180_c200_0010L, station(1), 1));
    assertSent(0, 1, 1);
  }

  @Test
  void frameWithoutAHeaderIsFilteredAndTeachesNothing() {
    arrive(0, new byte[13]);
    assertSent(0, 0, 0);
    assertEquals(1, bridge.counters(0).filtered());
    assertEquals(0, bridge.counters(0).learned());
  }

  @Test
  void stationThatReappearsAtAnotherPortIsReachedThere() {
    arrive(0, frame(BROADCAST, station(1), 1));
    arrive(1, frame(BROADCAST, station(1), 2));
    assertEquals(1, bridge.counters(1).moved());
    arrive(2, frame(station(1), station(3), 3));
    assertSent(1, 2, 2);
  }

  @Test
  void stationThatWasSilentForTheAgeingTimeIsFloodedAgain() {
    arrive(0, frame(BROADCAST, station(1), 1));
    nowNanos += Duration.ofSeconds(300).toNanos();
    arrive(2, frame(station(1), station(3), 2));
    assertSent(1, 1, 1);
    nowNanos++;
    arrive(2, frame(station(1), station(3), 3));
    assertSent(2, 2, 1);
  }

  @Test
  void portWhoseLinkIsDownForgetsItsStationsAndGetsNothing() {
    arrive(0, frame(BROADCAST, station(1), 1));
    arrive(1, frame(BROADCAST, station(2), 2));
    ports.get(0).link(false);
    arrive(1, frame(station(1), station(2), 3));
    assertSent(1, 1, 3);
    ports.get(0).link(true);
    arrive(2, frame(station(1), station(3), 4));
    // Not known any more: flooded.
    assertSent(2, 2, 3);
    assertEquals(0, bridge.counters(0).noRoom());
  }

  @Test
  void whatAPortReceivedBeforeItsLinkWentDownIsRelayedAndTeachesNothing() {
    bridge.poll(BUDGET);
    ports.get(0).deliver(frame(BROADCAST, station(1), 1));
    ports.get(0).link(false);
    bridge.poll(BUDGET);
    assertSent(0, 1, 1);
    assertEquals(0, bridge.counters(0).learned());
  }

  @Test
  void portWithoutRoomLosesItsCopiesAndStallsNobody() {
    ports.get(1).refuseAll();
    for (int i = 0; i < 5; i++) {
      arrive(0, frame(BROADCAST, station(1), i));
    }
    assertSent(0, 0, 5);
    assertEquals(5, bridge.counters(1).noRoom());
    assertEquals(0, ports.get(0).waiting());
    ports.get(1).makeRoom();
    arrive(0, frame(BROADCAST, station(1), 5));
    assertSent(0, 1, 6);
  }

  @Test
  void frameLongerThanAPortTakesIsDroppedThere() {
    ScriptedBackend large = new ScriptedBackend(9000);
    ScriptedBackend small = new ScriptedBackend(MAX);
    ScriptedBackend other = new ScriptedBackend(9000);
    try (LearningBridge mixed = new LearningBridge(List.of(large, small, other))) {
      large.deliver(frame(BROADCAST, station(1), 1, MAX + 1));
      large.deliver(frame(BROADCAST, station(1), 2, MAX));
      mixed.poll(BUDGET);
      assertEquals(1, small.sentCount());
      assertEquals(2, other.sentCount());
      assertEquals(1, mixed.counters(1).tooLong());
    }
  }

  @Test
  void budgetIsPerPortAndOneFlushServesABatch() {
    for (int i = 0; i < BUDGET + 4; i++) {
      ports.get(0).deliver(frame(BROADCAST, station(1), i));
    }
    ports.get(1).deliver(frame(BROADCAST, station(2), 99));
    assertEquals(BUDGET + 1, bridge.poll(BUDGET));
    assertEquals(4, ports.get(0).waiting());
    assertEquals(0, ports.get(1).waiting());
    assertEquals(1, ports.get(1).flushes());
    assertEquals(BUDGET, ports.get(1).lastBatch());
    assertEquals(4, bridge.poll(BUDGET));
  }

  @Test
  void whoFindsTheLastRoomIsADifferentPortEachTime() {
    LoopbackBackend.Pair narrow = LoopbackBackend.pair(1, MAX);
    ScriptedBackend one = new ScriptedBackend(MAX);
    ScriptedBackend two = new ScriptedBackend(MAX);
    try (LoopbackBackend receiver = narrow.left();
        LearningBridge busy = new LearningBridge(List.of(one, two, narrow.right()))) {
      boolean[] served = new boolean[2];
      for (int round = 0; round < 6; round++) {
        one.deliver(frame(station(9), station(1), 0));
        two.deliver(frame(station(9), station(2), 1));
        busy.poll(BUDGET);
        assertTrue(receiver.peek() > 0);
        int source = receiver.peeked().get(ValueLayout.JAVA_BYTE, receiver.peekedOffset() + 11);
        served[source - 1] = true;
        receiver.release();
      }
      assertTrue(served[0] && served[1], "one port had all the room");
    }
  }

  @Test
  void hostileStationCannotPushOutTheOthers() {
    arrive(0, frame(BROADCAST, station(1), 1));
    for (int i = 0; i < 10_000; i++) {
      arrive(1, frame(PAUSE, station(1000 + i), i));
    }
    assertTrue(bridge.counters(1).replaced() > 9_000);
    arrive(2, frame(station(1), station(3), 2));
    assertSent(1, 1, 1);
  }

  @Test
  void bridgeWithoutPortsIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> new LearningBridge(List.of()));
  }

  @Test
  void portsAreClosedWithTheBridge() {
    bridge.close();
    ports.forEach(port -> assertTrue(port.isClosed()));
  }

  /**
   * Two bridges joined by two cables: a broadcast goes round for ever, on both. Each poll is as
   * short as ever, and a station on a third port is served.
   */
  @Test
  void stormInALoopOfBridgesIsBoundedAndStarvesNoOtherPort() {
    LoopbackBackend.Pair cable = LoopbackBackend.pair(8, MAX);
    LoopbackBackend.Pair second = LoopbackBackend.pair(8, MAX);
    ScriptedBackend left = new ScriptedBackend(MAX);
    ScriptedBackend right = new ScriptedBackend(MAX);
    ScriptedBackend neighbour = new ScriptedBackend(MAX);
    try (LearningBridge one =
            new LearningBridge(List.of(cable.left(), second.left(), left, neighbour));
        LearningBridge two = new LearningBridge(List.of(cable.right(), second.right(), right))) {
      right.deliver(frame(BROADCAST, station(2), 0));
      for (int round = 0; round < 1000; round++) {
        assertTrue(one.poll(BUDGET) <= 4 * BUDGET);
        assertTrue(two.poll(BUDGET) <= 3 * BUDGET);
      }
      assertTrue(left.sentCount() > 100, "there is no storm to be tested");

      neighbour.deliver(frame(BROADCAST, station(4), 1));
      one.poll(BUDGET);
      left.deliver(frame(station(4), station(3), 2));
      int before = neighbour.sentCount();
      one.poll(BUDGET);
      List<byte[]> heard = neighbour.sent().subList(before, neighbour.sentCount());
      assertEquals(
          1, heard.stream().filter(frame -> Ethernet.number(frame) == 2).count(), "no duplicate");
    }
  }

  @Test
  void nothingIsAllocatedPerFrame() {
    List<NetBackend> near = new ArrayList<>();
    List<NetBackend> far = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      LoopbackBackend.Pair pair = LoopbackBackend.pair(64, MAX);
      near.add(pair.left());
      far.add(pair.right());
    }
    MemorySegment unicast = MemorySegment.ofArray(frame(station(2), station(1), 0));
    MemorySegment broadcast = MemorySegment.ofArray(frame(BROADCAST, station(2), 0));
    try (LearningBridge quiet = new LearningBridge(near)) {
      long bytes =
          Allocation.bytesOf(
              5,
              () -> {
                for (int i = 0; i < 10_000; i++) {
                  put(far.get(0), unicast);
                  put(far.get(1), broadcast);
                  quiet.poll(BUDGET);
                  far.forEach(LearningBridgeTest::drain);
                }
              });
      // The lambda and iterator of forEach may count until they are compiled away.
      assertTrue(bytes < 2_000, bytes + " bytes for 20000 frames");
      assertEquals(0, quiet.counters(1).noRoom());
      assertTrue(quiet.counters(0).relayed() > 10_000);
    } finally {
      far.forEach(NetBackend::close);
    }
  }

  private static void put(NetBackend end, MemorySegment frame) {
    int length = (int) frame.byteSize();
    assertTrue(end.claim(length));
    MemorySegment.copy(frame, 0, end.claimed(), end.claimedOffset(), length);
    end.commit();
    end.flush();
  }

  private static void drain(NetBackend end) {
    while (end.peek() != 0) {
      end.release();
    }
  }
}
