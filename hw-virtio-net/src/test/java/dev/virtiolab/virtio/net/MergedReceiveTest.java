package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.fixture.TestNic;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** VIRTIO_NET_F_MRG_RXBUF: frames over several buffers (virtio v1.4, 5.1.6.3.2 and 5.1.6.4). */
class MergedReceiveTest {
  private static final long SEED = Long.getLong("virtiolab.seed", System.nanoTime());
  private static final long MERGING = TestNic.BASIC | FeatureBits.VIRTIO_NET_F_MRG_RXBUF;
  private static final long NOWHERE = 0xffff_ffff_f000L;
  private static final int RX = VirtioNet.RECEIVE_QUEUE;

  private final TestNic nic = TestNic.conventional();

  @AfterEach
  void close() {
    nic.close();
  }

  private void offer(int first, int count, int bytes) {
    for (int i = first; i < first + count; i++) {
      nic.receiveRing().begin().writable(TestNic.rxBuffer(i), bytes).offer();
    }
    if (nic.receiveRing().publish()) {
      nic.kick(RX);
    }
  }

  private int numBuffers(long buffer) {
    return nic.ram.get(ValueLayout.JAVA_SHORT_UNALIGNED, buffer + 10) & 0xffff;
  }

  @Test
  void frameFillsAllBuffersButTheLast() {
    nic.start(MERGING);
    offer(0, 5, 512);
    byte[] frame = TestNic.frame(1514, 3);
    nic.wire.deliver(frame);
    assertEquals(1, nic.device.poll(8));
    int[] lengths = {512, 512, 12 + 1514 - 1024};
    byte[] got = new byte[12 + 1514];
    int at = 0;
    for (int i = 0; i < 3; i++) {
      assertTrue(nic.receiveRing().poll());
      assertEquals(lengths[i], nic.receiveRing().usedLength());
      System.arraycopy(nic.bytes(TestNic.rxBuffer(i), lengths[i]), 0, got, at, lengths[i]);
      at += lengths[i];
    }
    assertFalse(nic.receiveRing().poll());
    assertEquals(3, numBuffers(TestNic.rxBuffer(0)));
    assertArrayEquals(frame, Arrays.copyOfRange(got, 12, got.length));
    assertEquals(1, nic.device.queueCounters(RX).publications(), "all three are seen at once");
    assertEquals(1, nic.device.counters().queueInterrupts());
    assertEquals(1, nic.device.counters().framesReceived());
  }

  @Test
  void frameThatFitsInOneSaysOne() {
    nic.start(MERGING);
    offer(0, 2, 1526);
    nic.wire.deliver(TestNic.frame(1514, 3));
    nic.device.poll(8);
    assertTrue(nic.receiveRing().poll());
    assertEquals(1, numBuffers(TestNic.rxBuffer(0)));
    assertFalse(nic.receiveRing().poll());
  }

  @Test
  void withoutTheFeatureNothingIsMerged() {
    nic.start(TestNic.BASIC);
    offer(0, 4, 512);
    nic.wire.deliver(TestNic.frame(1514, 3));
    nic.device.poll(8);
    assertFalse(nic.receiveRing().poll());
    assertEquals(1, nic.device.counters().drops(Drop.RX_NO_ROOM));
  }

  @Test
  void buffersOfExactlyAHeaderAndOfOneByteAreFilled() {
    nic.start(MERGING);
    nic.receiveRing().begin().writable(TestNic.rxBuffer(0), 12).offer();
    for (int i = 0; i < 60; i++) {
      nic.receiveRing().begin().writable(TestNic.rxBuffer(1) + i, 1).offer();
    }
    nic.receiveRing().publish();
    byte[] frame = TestNic.frame(60, 5);
    nic.wire.deliver(frame);
    assertEquals(1, nic.device.poll(8));
    assertEquals(61, numBuffers(TestNic.rxBuffer(0)));
    assertArrayEquals(frame, nic.bytes(TestNic.rxBuffer(1), 60));
  }

  @Test
  void bufferWithoutRoomForAHeaderTakesNoFrame() {
    nic.start(MERGING);
    offer(0, 2, 11);
    nic.wire.deliver(TestNic.frame(60, 5));
    assertEquals(0, nic.device.poll(8));
    assertEquals(1, nic.device.counters().drops(Drop.RX_NO_ROOM));
    assertFalse(nic.receiveRing().poll());
    assertEquals(0xf, nic.status());
  }

  @Test
  void frameWaitsUntilThereAreEnoughBuffersAndNothingOfItIsSeen() {
    for (boolean eventIdx : new boolean[] {false, true}) {
      nic.start(MERGING | (eventIdx ? FeatureBits.VIRTIO_F_EVENT_IDX : 0));
      offer(0, 2, 512);
      byte[] frame = TestNic.frame(1514, 3);
      nic.wire.deliver(frame);
      for (int i = 0; i < 3; i++) {
        assertEquals(0, nic.device.poll(8));
        assertFalse(nic.receiveRing().poll());
      }
      assertEquals(1, nic.wire.waiting());
      nic.receiveRing().begin().writable(TestNic.rxBuffer(2), 512).offer();
      assertTrue(nic.receiveRing().publish(), "the device wants the kick, eventIdx=" + eventIdx);
      nic.kick(RX);
      assertEquals(1, nic.device.poll(8));
      assertEquals(3, numBuffers(TestNic.rxBuffer(0)));
      assertArrayEquals(Arrays.copyOf(frame, 500), nic.bytes(TestNic.rxBuffer(0) + 12, 500));
    }
  }

  @Test
  void frameThatAFullRingCannotHoldIsDropped() {
    nic.start(MERGING);
    offer(0, 256, 12);
    nic.wire.deliver(TestNic.frame(12 * 256, 3));
    nic.wire.deliver(TestNic.frame(60, 3));
    assertEquals(1, nic.device.poll(8));
    assertEquals(1, nic.device.counters().drops(Drop.RX_NO_ROOM));
    assertEquals(6, numBuffers(TestNic.rxBuffer(0)));
  }

  @Test
  void bufferThatCannotBeWrittenCostsTheFrameAndEveryBufferOfIt() {
    nic.start(MERGING);
    nic.receiveRing().begin().writable(TestNic.rxBuffer(0), 100).offer();
    nic.receiveRing().begin().writable(NOWHERE, 100).offer();
    nic.receiveRing().begin().writable(TestNic.rxBuffer(1), 1000).offer();
    nic.receiveRing().publish();
    nic.wire.deliver(TestNic.frame(150, 3));
    nic.wire.deliver(TestNic.frame(60, 4));
    assertEquals(1, nic.device.poll(8));
    assertEquals(1, nic.device.counters().drops(Drop.RX_DMA_FAULT));
    for (int length : new int[] {0, 0, 72}) {
      assertTrue(nic.receiveRing().poll());
      assertEquals(length, nic.receiveRing().usedLength());
    }
    assertEquals(0xf, nic.status());
  }

  @Test
  void readableBufferInTheMiddleBreaksTheDevice() {
    nic.start(MERGING);
    nic.receiveRing().begin().writable(TestNic.rxBuffer(0), 100).offer();
    nic.receiveRing().begin().readable(TestNic.rxBuffer(1), 1000).offer();
    nic.receiveRing().publish();
    nic.wire.deliver(TestNic.frame(150, 3));
    assertEquals(0, nic.device.poll(8));
    assertEquals(0x4f, nic.status());
    assertTrue(nic.works(MERGING));
  }

  @Test
  void takenBusMasteringLeavesTheFrameForLater() {
    nic.start(MERGING);
    offer(0, 3, 100);
    nic.function.configWrite(4, 2, 2);
    nic.wire.deliver(TestNic.frame(200, 3));
    assertEquals(0, nic.device.poll(8));
    nic.function.configWrite(4, 2, 6);
    assertEquals(1, nic.device.poll(8), "no further buffer is needed");
  }

  @Test
  void queueResetForgetsThatAFrameWaits() {
    long features = MERGING | FeatureBits.VIRTIO_F_RING_RESET;
    nic.start(features);
    offer(0, 1, 512);
    nic.wire.deliver(TestNic.frame(1000, 3));
    assertEquals(0, nic.device.poll(8));
    nic.select(0);
    nic.write(0x3a, 2, 1);
    nic.setUp(0, 256, false);
    offer(0, 1, 1512);
    assertEquals(1, nic.device.poll(8));
  }

  @Test
  void observerSeesEachBufferUsedOnceTheFrameIsWhole() {
    nic.start(MERGING);
    List<String> told = new ArrayList<>();
    nic.device.observe(
        new NicObserver() {
          @Override
          public void chainTaken(int queue, int head, int readableBytes, int writableBytes) {
            told.add("taken " + head);
          }

          @Override
          public void chainUsed(int queue, int head, int writtenBytes) {
            told.add("used " + head + " " + writtenBytes);
          }

          @Override
          public void chainLeft(int queue, int head) {
            told.add("left " + head);
          }
        });
    offer(0, 2, 50);
    nic.wire.deliver(TestNic.frame(100, 3));
    nic.device.poll(8);
    offer(2, 1, 50);
    nic.device.poll(8);
    assertEquals(
        List.of(
            "taken 0",
            "taken 1",
            "left 1",
            "left 0", //
            "taken 0",
            "taken 1",
            "taken 2",
            "used 0 50",
            "used 1 50",
            "used 2 12"),
        told);
  }

  @Test
  void sleepingLoopWakesForTheBufferThatWasMissing() throws InterruptedException {
    for (boolean eventIdx : new boolean[] {false, true}) {
      nic.start(MERGING | (eventIdx ? FeatureBits.VIRTIO_F_EVENT_IDX : 0));
      offer(0, 1, 512);
      long before = nic.device.counters().framesReceived();
      try (DeviceLoop loop = DeviceLoop.start(nic.device, "merging", 0)) {
        nic.wire.deliver(TestNic.frame(900, 3));
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!(nic.device.queueCounters(RX).offered() == 1 && loop.sleeping())) {
          assertTrue(System.nanoTime() < deadline, "the loop must sleep while the frame waits");
          Thread.onSpinWait();
        }
        nic.receiveRing().begin().writable(TestNic.rxBuffer(1), 512).offer();
        if (nic.receiveRing().publish()) {
          nic.kick(RX);
        }
        while (nic.device.counters().framesReceived() == before) {
          assertTrue(System.nanoTime() < deadline, "the frame must come");
          Thread.onSpinWait();
        }
      }
    }
  }

  /** Random buffers and frames, against the bytes that were delivered. */
  @Test
  void everyFrameArrivesWholeInRandomBuffers() {
    SplittableRandom random = new SplittableRandom(SEED);
    String seed = "-Dvirtiolab.seed=" + SEED;
    for (int round = 0; round < 40; round++) {
      boolean eventIdx = random.nextBoolean();
      nic.start(MERGING | (eventIdx ? FeatureBits.VIRTIO_F_EVENT_IDX : 0));
      DriverRing ring = nic.receiveRing();
      List<byte[]> delivered = new ArrayList<>();
      List<byte[]> arrived = new ArrayList<>();
      long[] buffers = new long[256];
      int next = 0;
      byte[] partial = null;
      int filled = 0;
      int left = 0;
      for (int step = 0; step < 300 || !delivered.isEmpty() && arrived.size() < 60; step++) {
        if (step > 3000) {
          throw new AssertionError("stuck " + seed);
        }
        if (step < 300 && delivered.size() < 60 && random.nextInt(3) == 0) {
          byte[] frame = TestNic.frame(14 + random.nextInt(3000), random.nextInt());
          delivered.add(frame);
          nic.wire.deliver(frame);
        }
        while (ring.free() > 2 && random.nextInt(4) != 0) {
          long at = TestNic.rxBuffer(next++ % 256);
          int bytes = 12 + random.nextInt(600);
          ring.begin();
          if (random.nextBoolean()) {
            ring.writable(at, 5).writable(at + 5, bytes - 5);
          } else {
            ring.writable(at, bytes);
          }
          buffers[ring.offer()] = at;
        }
        if (ring.publish()) {
          nic.kick(RX);
        }
        nic.device.poll(1 + random.nextInt(4));
        while (ring.poll()) {
          long at = buffers[ring.usedId()];
          int length = ring.usedLength();
          int skip = 0;
          if (left == 0) {
            left = numBuffers(at);
            assertTrue(left > 0, seed);
            partial = new byte[4000];
            filled = 0;
            skip = 12;
          }
          MemorySegment.copy(
              nic.ram, ValueLayout.JAVA_BYTE, at + skip, partial, filled, length - skip);
          filled += length - skip;
          if (--left == 0) {
            arrived.add(Arrays.copyOf(partial, filled));
          }
        }
        assertEquals(0, left, "a frame is seen whole or not at all " + seed);
        if (delivered.size() == arrived.size() && step >= 300) {
          break;
        }
      }
      assertEquals(delivered.size(), arrived.size(), seed);
      for (int i = 0; i < arrived.size(); i++) {
        assertArrayEquals(delivered.get(i), arrived.get(i), seed);
      }
    }
  }
}
