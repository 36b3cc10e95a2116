package dev.virtiolab.net.ring;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class WireRingTest {
  private static final int CAPACITY = 256;
  private static final int MAX = CAPACITY / 4 - WireRing.PREFIX_BYTES;
  private static final int STEPS = 200_000;
  private static final int STRESS_FRAMES = 200_000;
  private static final long PATIENCE_NANOS = 30_000_000_000L;

  private final long seed = Long.getLong("virtiolab.seed", System.nanoTime());
  private final SplittableRandom random = new SplittableRandom(seed);
  private final String hint = "-Dvirtiolab.seed=" + seed;

  /** What went in and has not come out, frame by frame. */
  private final ArrayDeque<byte[]> expected = new ArrayDeque<>();

  /** What the peer is going to say next, where bytes are filled in. */
  private final ArrayDeque<Byte> stream = new ArrayDeque<>();

  private final ArrayDeque<byte[]> coming = new ArrayDeque<>();
  private int number;

  /** Any mixture of steps keeps every frame, whole and in order. */
  @ParameterizedTest(name = "by bytes in: {0}, by batches out: {1}")
  @CsvSource({"false, false", "false, true", "true, false", "true, true"})
  void anyHistoryKeepsEveryFrameWholeAndInOrder(boolean bytesIn, boolean batchesOut) {
    try (Arena arena = Arena.ofConfined()) {
      WireRing ring = new WireRing(arena, CAPACITY, MAX);
      long frames = 0;
      for (int step = 0; step < STEPS; step++) {
        if (random.nextBoolean()) {
          if (bytesIn) {
            fill(ring);
          } else {
            commit(ring);
          }
          if (random.nextInt(3) > 0) {
            ring.publish();
          }
        } else {
          frames += batchesOut ? takeBatch(ring) : takeFrame(ring);
        }
      }
      assertTrue(frames > STEPS / 20, hint + ": only " + frames + " frames crossed");
    }
  }

  private byte[] frame() {
    byte[] frame = new byte[random.nextInt(4) == 0 ? MAX : random.nextInt(1, MAX + 1)];
    number++;
    for (int i = 0; i < frame.length; i++) {
      frame[i] = (byte) (number * 31 + i * 7);
    }
    return frame;
  }

  private void commit(WireRing ring) {
    byte[] frame = frame();
    if (!ring.hasRoom(frame.length)) {
      return;
    }
    MemorySegment.copy(
        frame, 0, ring.memory(), ValueLayout.JAVA_BYTE, ring.writeOffset(), frame.length);
    if (random.nextInt(8) == 0) {
      return; // changed its mind
    }
    ring.commit(frame.length);
    expected.add(frame);
  }

  private void fill(WireRing ring) {
    while (stream.size() < CAPACITY) {
      byte[] frame = frame();
      coming.add(frame);
      for (byte b : ByteBuffer.allocate(4).putInt(frame.length).array()) {
        stream.add(b);
      }
      for (byte b : frame) {
        stream.add(b);
      }
    }
    int window = ring.window();
    if (window == 0) {
      return;
    }
    int bytes = random.nextInt(1, window + 1);
    for (int i = 0; i < bytes && !stream.isEmpty(); i++) {
      ring.memory().set(ValueLayout.JAVA_BYTE, ring.windowOffset(), stream.poll());
      ring.filled(1);
    }
    while (ring.partLength() != WireRing.UNKNOWN && ring.commitPart((int) ring.partLength())) {
      expected.add(coming.poll());
    }
  }

  private int takeFrame(WireRing ring) {
    int length = ring.peek();
    if (length == 0) {
      return 0;
    }
    byte[] frame = new byte[length];
    MemorySegment.copy(
        ring.memory(), ValueLayout.JAVA_BYTE, ring.readOffset(), frame, 0, frame.length);
    ring.release();
    assertArrayEquals(expected.poll(), frame, hint);
    return 1;
  }

  private int takeBatch(WireRing ring) {
    int bytes = ring.batch(random.nextInt(1, CAPACITY));
    if (bytes == 0) {
      return 0;
    }
    ByteBuffer wire = ring.memory().asSlice(ring.batchOffset(), bytes).asByteBuffer();
    int frames = ring.batchFrames();
    for (int i = 0; i < frames; i++) {
      byte[] frame = new byte[wire.getInt()];
      wire.get(frame);
      assertArrayEquals(expected.poll(), frame, hint);
    }
    assertFalse(wire.hasRemaining(), hint);
    ring.releaseBatch();
    return frames;
  }

  @Test
  void anEmptiedRingHasRoomForTheLargestFrameWhereverItsHeadIs() {
    try (Arena arena = Arena.ofConfined()) {
      for (int before = 1; before < CAPACITY; before++) {
        WireRing ring = new WireRing(arena, CAPACITY, MAX);
        for (int i = 0; i < before; i++) {
          assertTrue(ring.hasRoom(1 + i % MAX));
          ring.commit(1 + i % MAX);
          ring.publish();
          ring.peek();
          ring.release();
        }
        assertTrue(ring.hasRoom(MAX), "after " + before);
        assertTrue(ring.window() > 0, "after " + before);
      }
    }
  }

  @Test
  void aPartOfAFrameIsNeverShown() {
    try (Arena arena = Arena.ofConfined()) {
      WireRing ring = new WireRing(arena, CAPACITY, MAX);
      ring.memory().set(ValueLayout.JAVA_INT_UNALIGNED, ring.windowOffset(), 0x14000000);
      ring.filled(3);
      assertEquals(WireRing.UNKNOWN, ring.partLength());
      ring.filled(20);
      assertEquals(20, ring.partLength());
      assertFalse(ring.commitPart(20));
      ring.publish();
      assertEquals(0, ring.peek());
      ring.dropPart();
      assertEquals(0, ring.partBytes());
      ring.publish();
      assertEquals(0, ring.peek());
    }
  }

  @Test
  void aLengthIsUnsigned() {
    try (Arena arena = Arena.ofConfined()) {
      WireRing ring = new WireRing(arena, CAPACITY, MAX);
      ring.memory().set(ValueLayout.JAVA_INT_UNALIGNED, ring.windowOffset(), -1);
      ring.filled(4);
      assertEquals(0xFFFF_FFFFL, ring.partLength());
    }
  }

  @Test
  void aFrameTakesAQuarterOfTheRingAtMost() {
    try (Arena arena = Arena.ofConfined()) {
      assertThrows(IllegalArgumentException.class, () -> new WireRing(arena, CAPACITY, MAX + 1));
      assertThrows(IllegalArgumentException.class, () -> new WireRing(arena, 3 * CAPACITY, MAX));
    }
  }

  /**
   * Two threads that meet in a ring so small that each waits for the other nearly every time: each
   * waits for its note to be answered, so a lost one ends the test.
   */
  @ParameterizedTest(name = "by bytes in: {0}, by batches out: {1}")
  @CsvSource({"false, true", "true, false"})
  void noWakeUpIsLost(boolean bytesIn, boolean batchesOut) throws InterruptedException {
    try (Arena arena = Arena.ofShared()) {
      WireRing ring = new WireRing(arena, 64, 12);
      AtomicBoolean producerWoken = new AtomicBoolean();
      AtomicBoolean consumerWoken = new AtomicBoolean();
      AtomicReference<Throwable> failure = new AtomicReference<>();
      Thread producer =
          Thread.ofPlatform()
              .daemon()
              .uncaughtExceptionHandler((thread, e) -> failure.compareAndSet(null, e))
              .start(() -> produce(ring, bytesIn, producerWoken, consumerWoken));
      Thread consumer =
          Thread.ofPlatform()
              .daemon()
              .uncaughtExceptionHandler((thread, e) -> failure.compareAndSet(null, e))
              .start(() -> consume(ring, batchesOut, producerWoken, consumerWoken));
      assertTrue(producer.join(Duration.ofSeconds(60)) && consumer.join(Duration.ofSeconds(60)));
      assertNull(failure.get());
    }
  }

  private static void produce(
      WireRing ring, boolean bytes, AtomicBoolean me, AtomicBoolean consumer) {
    byte[] wire = new byte[WireRing.PREFIX_BYTES + 12];
    for (int frame = 0; frame < STRESS_FRAMES; frame++) {
      int length = 4 + frame % 9;
      ByteBuffer.wrap(wire).putInt(length).putInt(frame);
      if (bytes) {
        int at = 0;
        while (at < WireRing.PREFIX_BYTES + length) {
          int window = ring.window();
          if (window == 0) {
            await(me);
            continue;
          }
          int part = Math.min(window, Math.min(7, WireRing.PREFIX_BYTES + length - at));
          MemorySegment.copy(
              wire, at, ring.memory(), ValueLayout.JAVA_BYTE, ring.windowOffset(), part);
          ring.filled(part);
          at += part;
        }
        assertTrue(ring.commitPart(length));
      } else {
        while (!ring.hasRoom(length)) {
          await(me);
        }
        MemorySegment.copy(
            wire,
            WireRing.PREFIX_BYTES,
            ring.memory(),
            ValueLayout.JAVA_BYTE,
            ring.writeOffset(),
            length);
        ring.commit(length);
      }
      if (ring.publish()) {
        consumer.set(true);
      }
    }
  }

  private static void consume(
      WireRing ring, boolean batches, AtomicBoolean producer, AtomicBoolean me) {
    int frame = 0;
    while (frame < STRESS_FRAMES) {
      boolean wake;
      if (batches) {
        int bytes = ring.batch(40);
        if (bytes == 0) {
          await(me);
          continue;
        }
        ByteBuffer wire = ring.memory().asSlice(ring.batchOffset(), bytes).asByteBuffer();
        for (int i = ring.batchFrames(); i > 0; i--) {
          int length = wire.getInt();
          assertEquals(frame++, wire.getInt());
          wire.position(wire.position() + length - 4);
        }
        wake = ring.releaseBatch();
      } else {
        if (ring.peek() == 0) {
          await(me);
          continue;
        }
        assertEquals(
            frame++,
            Integer.reverseBytes(
                ring.memory().get(ValueLayout.JAVA_INT_UNALIGNED, ring.readOffset())));
        wake = ring.release();
      }
      if (wake) {
        producer.set(true);
      }
    }
  }

  private static void await(AtomicBoolean woken) {
    long start = System.nanoTime();
    while (!woken.compareAndSet(true, false)) {
      Thread.onSpinWait();
      if (System.nanoTime() - start > PATIENCE_NANOS) {
        throw new AssertionError("a wake-up was lost");
      }
    }
  }
}
