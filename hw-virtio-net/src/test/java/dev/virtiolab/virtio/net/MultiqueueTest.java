package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.Offload;
import dev.virtiolab.net.fixture.ScriptedBackend;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.fixture.Packets;
import dev.virtiolab.virtio.fixture.TestNic;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** VIRTIO_NET_F_MQ (virtio v1.4, 5.1.2, 5.1.4, 5.1.6.5.5 and 5.1.6.5.6). */
class MultiqueueTest {
  private static final long SEED = Long.getLong("virtiolab.seed", System.nanoTime());
  private static final long DEADLINE_NANOS = Duration.ofSeconds(20).toNanos();
  private static final long MQ =
      TestNic.BASIC | FeatureBits.VIRTIO_NET_F_CTRL_VQ | FeatureBits.VIRTIO_NET_F_MQ;
  private static final int CTRL_MQ = 4;
  private static final int PAIRS = 4;

  private final TestNic nic = TestNic.ofPairs(PAIRS);

  @AfterEach
  void close() {
    nic.close();
  }

  private int pairs(int wanted) {
    return nic.command(CTRL_MQ, 0, new byte[] {(byte) wanted, (byte) (wanted >> 8)});
  }

  private List<Boolean> attached() {
    return nic.wires.stream().map(ScriptedBackend::attached).toList();
  }

  /** What is in the receive queue; null if nothing. */
  private byte[] received(int queue, int buffer) {
    DriverRing ring = nic.rings[queue];
    if (!ring.poll()) {
      return null;
    }
    return nic.bytes(
        TestNic.rxBuffer(32 * queue + buffer) + TestNic.HEADER_BYTES,
        ring.usedLength() - TestNic.HEADER_BYTES);
  }

  // ---- what there is

  @Test
  void offeredWhereThereAreSeveralWiresAndAControlQueue() {
    assertEquals(FeatureBits.VIRTIO_NET_F_MQ, nic.offered() & FeatureBits.VIRTIO_NET_F_MQ);
    assertEquals(PAIRS, nic.read(TestNic.DEVICE + 8, 2));
    assertEquals(0xffff, nic.read(TestNic.DEVICE + 10, 2), "the configuration ends here");
    try (TestNic one = TestNic.conventional();
        TestNic uncontrolled =
            TestNic.ofPairs(
                PAIRS,
                new VirtioNet.Config(TestNic.MAC, OptionalInt.empty(), false, false)
                    .withFeatures(NetFeatures.USUAL.without(FeatureBits.VIRTIO_NET_F_CTRL_VQ)))) {
      assertEquals(0, one.offered() & FeatureBits.VIRTIO_NET_F_MQ);
      assertEquals(0, uncontrolled.offered() & FeatureBits.VIRTIO_NET_F_MQ);
      assertEquals(2, uncontrolled.read(0x12, 2));
    }
  }

  @Test
  void vectorForEachQueueAndOneForTheConfiguration() {
    assertEquals(2 * PAIRS + 2, nic.function.msix().vectors());
    nic.negotiate(MQ);
    nic.select(2 * PAIRS);
    nic.write(0x1a, 2, 2 * PAIRS + 1);
    assertEquals(2 * PAIRS + 1, nic.read(0x1a, 2));
    nic.write(0x1a, 2, 2 * PAIRS + 2);
    assertEquals(0xffff, nic.read(0x1a, 2));
  }

  @Test
  void pairsAreBounded() {
    VirtioNet.Config config = new VirtioNet.Config(TestNic.MAC, OptionalInt.empty(), false, false);
    List<ScriptedBackend> tooMany = ScriptedBackend.queues(VirtioNet.MAX_PAIRS + 1);
    assertThrows(IllegalArgumentException.class, () -> new VirtioNet(config, tooMany));
    assertThrows(IllegalArgumentException.class, () -> new VirtioNet(config, List.of()));
    tooMany.forEach(ScriptedBackend::close);
  }

  /** controlq is 2N, and N is 1 for who does not negotiate MQ. */
  @Test
  void controlQueueIsTheThirdForADriverThatKnowsNothingOfPairs() {
    long features = TestNic.BASIC | FeatureBits.VIRTIO_NET_F_CTRL_VQ;
    nic.start(features | FeatureBits.VIRTIO_NET_F_CTRL_RX);
    assertEquals(3, nic.read(0x12, 2));
    assertEquals(0, nic.command(0, 0, new byte[] {1}));
    assertEquals(1, pairs(1), "MQ was not negotiated");
    assertEquals(1, pairs(2));
    assertEquals(List.of(true, false, false, false), attached());
    assertTrue(nic.works(features));
    nic.kick(3);
    nic.kick(2 * PAIRS);
    nic.device.poll(8);
    assertEquals(0xf, nic.status());
  }

  @Test
  void numbersFollowWhatTheDriverWritesAlsoBackAgain() {
    nic.negotiate(MQ);
    assertEquals(2 * PAIRS + 1, nic.read(0x12, 2));
    nic.negotiate(MQ & ~FeatureBits.VIRTIO_NET_F_MQ);
    assertEquals(3, nic.read(0x12, 2));
    nic.select(2);
    assertEquals(64, nic.read(0x18, 2));
    assertTrue(nic.start(MQ).works(MQ));
    assertEquals(0, pairs(PAIRS));
    nic.start(MQ & ~FeatureBits.VIRTIO_NET_F_MQ);
    assertEquals(1, nic.command(9, 9, new byte[0]), "answered where it is now");
  }

  // ---- steering

  @Test
  void firstPairAloneUntilTheDriverSaysMore() {
    nic.start(MQ);
    assertEquals(List.of(true, false, false, false), attached());
    nic.offerReceive(0, 0, 1);
    nic.offerReceive(2, 0, 1);
    byte[] frame = TestNic.frame(60, 1);
    nic.wire.deliver(frame);
    assertEquals(1, nic.device.poll(8));
    assertArrayEquals(frame, received(0, 0));
    assertEquals(0, pairs(2));
    assertEquals(List.of(true, true, false, false), attached());
  }

  @Test
  void eachPairHasAWire() {
    nic.start(MQ);
    assertEquals(0, pairs(PAIRS));
    assertEquals(List.of(true, true, true, true), attached());
    for (int pair = 0; pair < PAIRS; pair++) {
      nic.offerReceive(2 * pair, 0, 1);
      nic.wires.get(pair).deliver(TestNic.frame(60 + pair, pair));
      nic.send(2 * pair + 1, TestNic.frame(160 + pair, pair));
    }
    assertEquals(2 * PAIRS, nic.device.poll(8));
    for (int pair = 0; pair < PAIRS; pair++) {
      assertArrayEquals(TestNic.frame(60 + pair, pair), received(2 * pair, 0));
      assertEquals(1, nic.wires.get(pair).sentCount());
      assertArrayEquals(TestNic.frame(160 + pair, pair), nic.wires.get(pair).sent().getFirst());
      assertTrue(nic.rings[2 * pair + 1].poll());
    }
  }

  @Test
  void eachQueueInterruptsByItsVector() {
    nic.function.configWrite(0x98 + 2, 2, 0x8000);
    for (int vector = 0; vector < 2 * PAIRS + 2; vector++) {
      nic.function.barWrite(1, 16L * vector, 4, 0xfee0_0000L);
      nic.function.barWrite(1, 16L * vector + 8, 4, 0x40 + vector);
      nic.function.barWrite(1, 16L * vector + 12, 4, 0);
    }
    nic.negotiate(MQ);
    for (int queue = 0; queue <= 2 * PAIRS; queue++) {
      nic.setUp(queue, 64, false);
      nic.write(0x1a, 2, queue + 1);
    }
    nic.driverOk();
    for (int pair = 0; pair < PAIRS; pair++) {
      nic.messages.clear();
      nic.send(2 * pair + 1, TestNic.frame(60, pair));
      nic.device.poll(8);
      assertEquals(1, nic.messages.messages().size());
      assertEquals(0x40 + 2 * pair + 2, nic.messages.messages().getFirst().data());
    }
  }

  @Test
  void pairsThatThereAreNotAreRefusedAndChangeNothing() {
    nic.start(MQ);
    assertEquals(0, pairs(2));
    for (int wanted : new int[] {0, PAIRS + 1, 0x8000, 0xffff, 0x100 * PAIRS}) {
      assertEquals(1, pairs(wanted), "pairs=" + wanted);
    }
    assertEquals(1, nic.command(CTRL_MQ, 0, new byte[] {1}));
    assertEquals(1, nic.command(CTRL_MQ, 0, new byte[] {1, 0, 0}));
    assertEquals(1, nic.command(CTRL_MQ, 1, new byte[] {1, 0}), "RSS_CONFIG");
    assertEquals(1, nic.command(CTRL_MQ, 2, new byte[] {1, 0}), "HASH_CONFIG");
    assertEquals(List.of(true, true, false, false), attached());
    assertEquals(0xf, nic.status());
  }

  @Test
  void fewerPairsReceiveNoMoreAndWhatWasSentByThemGoesOut() {
    nic.start(MQ);
    pairs(PAIRS);
    nic.offerReceive(6, 0, 1);
    nic.wires.get(3).refuseAll();
    nic.send(7, TestNic.frame(60, 1));
    nic.device.poll(8);
    assertEquals(0, pairs(2));
    assertEquals(List.of(true, true, false, false), attached());
    assertFalse(nic.rings[6].poll());
    nic.wires.get(3).makeRoom();
    nic.device.poll(8);
    assertTrue(nic.rings[7].poll(), "no frame is left behind");
    assertEquals(1, nic.wires.get(3).sentCount());
  }

  @Test
  void resetGoesBackToOnePair() {
    nic.start(MQ);
    pairs(3);
    nic.status(0);
    assertEquals(List.of(true, false, false, false), attached());
    assertEquals(
        1, nic.device.queueCounters(VirtioNet.CONTROL_QUEUE).chains(), "it is there again");
    assertEquals(3, nic.read(0x12, 2));
    nic.start(MQ);
    assertEquals(List.of(true, false, false, false), attached());
    assertTrue(nic.works(MQ));
  }

  /** "If the destination receive queue is being reset, the device SHOULD re-select another". */
  @Test
  void queueThatIsResetIsLeftOutUntilItRunsAgain() {
    nic.start(MQ | FeatureBits.VIRTIO_F_RING_RESET);
    pairs(3);
    for (int pair : new int[] {1, 0, 2}) {
      nic.select(2 * pair);
      nic.write(0x3a, 2, 1);
      List<Boolean> without = new ArrayList<>(List.of(true, true, true, false));
      without.set(pair, false);
      assertEquals(without, attached());
      nic.setUp(2 * pair, 256, false);
      assertEquals(List.of(true, true, true, false), attached());
    }
    for (int pair = 0; pair < 3; pair++) {
      nic.select(2 * pair);
      nic.write(0x3a, 2, 1);
    }
    assertEquals(List.of(true, false, false, false), attached(), "where the frames wait");
  }

  @Test
  void pairsThatWereNotSetUpAreLeftOut() {
    nic.negotiate(MQ);
    nic.setUp(0, 64, false);
    nic.setUp(1, 64, false);
    nic.setUp(2 * PAIRS, 64, false);
    nic.driverOk();
    assertEquals(0, pairs(PAIRS));
    assertEquals(List.of(true, false, false, false), attached());
    nic.setUp(4, 64, false);
    assertEquals(List.of(true, false, true, false), attached());
  }

  @Test
  void brokenQueueOfAnyPairBreaksTheDeviceUntilItIsReset() {
    nic.start(MQ);
    pairs(PAIRS);
    nic.rings[5].rawAvailIdx(1000);
    nic.device.poll(8);
    assertEquals(0x4f, nic.status());
    nic.send(1, TestNic.frame(60, 1));
    assertEquals(0, nic.device.poll(8));
    assertTrue(nic.works(MQ));
  }

  @Test
  void frameThatIsBeingCutGoesWithItsPair() {
    long features = MQ | FeatureBits.VIRTIO_NET_F_GUEST_CSUM;
    nic.start(features);
    pairs(2);
    byte[] big = Packets.partial(4, 0, 0, Packets.TCP, 0x18, TestNic.frame(4000, 7));
    nic.offerReceive(2, 0, 1);
    nic.wires.get(1).deliver(big, Offload.of(1, Offload.GSO_TCPV4, 1400, 34, 16));
    nic.device.poll(8);
    assertTrue(nic.rings[2].poll(), "one piece is out, the others wait");
    pairs(1);
    nic.offerReceive(2, 1, 4);
    nic.device.poll(8);
    pairs(2);
    byte[] frame = TestNic.frame(60, 9);
    nic.wires.get(1).deliver(frame);
    nic.device.poll(8);
    assertArrayEquals(frame, received(2, 1), "nothing of the old frame comes after it");
  }

  @Test
  void countersTellTheQueuesApart() {
    nic.start(MQ);
    pairs(2);
    nic.send(3, TestNic.frame(60, 1));
    nic.send(3, TestNic.frame(60, 2));
    nic.device.poll(8);
    assertEquals(2, nic.device.queueCounters(3).chains());
    assertEquals(0, nic.device.queueCounters(1).chains());
    assertEquals(1, nic.device.queueCounters(2 * PAIRS).chains());
    assertTrue(nic.device.counters().kicks(3) > 0);
  }

  // ---- the loop

  @Test
  void sleepingLoopIsWokenByAFrameAndAKickOfAnyPair() {
    for (boolean eventIdx : new boolean[] {false, true}) {
      nic.start(MQ | (eventIdx ? FeatureBits.VIRTIO_F_EVENT_IDX : 0));
      pairs(PAIRS);
      for (int pair = 0; pair < PAIRS; pair++) {
        nic.offerReceive(2 * pair, 0, 4);
      }
      try (DeviceLoop loop = DeviceLoop.start(nic.device, "pairs", 0)) {
        for (int round = 0; round < 3; round++) {
          for (int pair = PAIRS - 1; pair >= 0; pair--) {
            until(loop::sleeping);
            long before = nic.device.counters().framesReceived();
            nic.wires.get(pair).deliver(TestNic.frame(60, pair));
            until(() -> nic.device.counters().framesReceived() == before + 1);
            until(loop::sleeping);
            long sent = nic.device.counters().framesSent();
            nic.send(2 * pair + 1, TestNic.frame(60, pair));
            until(() -> nic.device.counters().framesSent() == sent + 1);
            while (nic.rings[2 * pair + 1].poll()) {
              // Reclaim.
            }
          }
        }
      }
    }
  }

  @Test
  void pairThatHasNoBuffersKeepsTheLoopNeitherAwakeNorFromTheOthers() {
    nic.start(MQ);
    pairs(2);
    nic.offerReceive(0, 0, 8);
    try (DeviceLoop loop = DeviceLoop.start(nic.device, "pairs", 0)) {
      nic.wires.get(1).deliver(TestNic.frame(60, 1));
      until(loop::sleeping);
      for (int i = 0; i < 8; i++) {
        until(loop::sleeping);
        long sleeps = loop.sleeps();
        long before = nic.device.counters().framesReceived();
        nic.wire.deliver(TestNic.frame(60, i));
        until(() -> nic.device.counters().framesReceived() == before + 1);
        until(() -> loop.sleeps() > sleeps);
      }
      until(loop::sleeping);
      long sleeps = loop.sleeps();
      long until = System.nanoTime() + Duration.ofMillis(100).toNanos();
      while (System.nanoTime() < until) {
        Thread.onSpinWait();
      }
      assertTrue(loop.sleeps() - sleeps < 10, "it must not wake for the frame that waits");
      long before = nic.device.counters().framesReceived();
      nic.offerReceive(2, 0, 1);
      until(() -> nic.device.counters().framesReceived() == before + 1);
    }
  }

  private static void until(BooleanSupplier condition) {
    long deadline = System.nanoTime() + DEADLINE_NANOS;
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() < deadline, "never");
      Thread.onSpinWait();
    }
  }

  // ---- histories

  /** Commands, frames and resets in any order: what arrives is what came by a pair in use. */
  @Test
  void framesGoWhereThePairsOfTheMomentSayInRandomHistories() {
    SplittableRandom random = new SplittableRandom(SEED);
    String seed = "-Dvirtiolab.seed=" + SEED;
    for (int round = 0; round < 30; round++) {
      nic.start(MQ);
      int used = 1;
      int[] offered = new int[PAIRS];
      List<List<byte[]>> expected = new ArrayList<>();
      for (int pair = 0; pair < PAIRS; pair++) {
        expected.add(new ArrayList<>());
        nic.offerReceive(2 * pair, 0, 32);
        offered[pair] = 32;
      }
      for (int step = 0; step < 60; step++) {
        int wanted = random.nextInt(PAIRS + 2);
        if (random.nextInt(4) == 0) {
          boolean valid = wanted >= 1 && wanted <= PAIRS;
          assertEquals(valid ? 0 : 1, pairs(wanted), seed);
          used = valid ? wanted : used;
        }
        int pair = random.nextInt(used);
        byte[] frame = TestNic.frame(60 + random.nextInt(500), random.nextInt());
        if (expected.get(pair).size() < 32) {
          nic.wires.get(pair).deliver(frame);
          expected.get(pair).add(frame);
        }
        int sender = random.nextInt(PAIRS);
        int before = nic.wires.get(sender).sentCount();
        nic.send(2 * sender + 1, frame);
        nic.device.poll(1 + random.nextInt(4));
        while (nic.device.poll(4) > 0) {
          // Until nothing moves.
        }
        assertTrue(nic.rings[2 * sender + 1].poll(), seed);
        assertEquals(before + 1, nic.wires.get(sender).sentCount(), seed);
      }
      for (int pair = 0; pair < PAIRS; pair++) {
        for (int i = 0; i < expected.get(pair).size(); i++) {
          byte[] got = received(2 * pair, i);
          assertTrue(Arrays.equals(expected.get(pair).get(i), got), "pair " + pair + " " + seed);
        }
        assertFalse(nic.rings[2 * pair].poll(), seed);
      }
    }
  }
}
