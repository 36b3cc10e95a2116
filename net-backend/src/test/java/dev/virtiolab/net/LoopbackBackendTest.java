package dev.virtiolab.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Allocation;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;

class LoopbackBackendTest {
  private static final int MAX = 256;
  private static final int STRESS_FRAMES = 300_000;
  private static final Duration LONG_ENOUGH = Duration.ofSeconds(60);

  @Test
  void frameIsSeenOnlyOnceItIsFlushed() {
    LoopbackBackend.Pair pair = LoopbackBackend.pair(4, MAX);
    try (LoopbackBackend left = pair.left();
        LoopbackBackend right = pair.right()) {
      Frames.commit(left, Frames.numbered(1, 60));
      assertEquals(0, right.peek());
      left.flush();
      assertArrayEquals(Frames.numbered(1, 60), Frames.look(right));
      assertEquals(0, left.peek());
    }
  }

  @Test
  void fullWireRefusesAndSaysWhenThereIsRoom() {
    AtomicInteger wakes = new AtomicInteger();
    LoopbackBackend.Pair pair = LoopbackBackend.pair(2, MAX);
    try (LoopbackBackend left = pair.left();
        LoopbackBackend right = pair.right()) {
      left.onReady(wakes::incrementAndGet);
      Frames.send(left, Frames.numbered(1, 60));
      Frames.send(left, Frames.numbered(2, 60));
      assertFalse(left.claim(60));
      assertEquals(1, left.counters().refused());
      assertEquals(0, wakes.get());
      right.peek();
      right.release();
      assertEquals(1, wakes.get());
      Frames.send(left, Frames.numbered(3, 60));
      right.peek();
      right.release();
      // Nobody was refused meanwhile.
      assertEquals(1, wakes.get());
      assertArrayEquals(Frames.numbered(3, 60), Frames.look(right));
    }
  }

  @Test
  void arrivalWakesOncePerEmptyWire() {
    AtomicInteger wakes = new AtomicInteger();
    LoopbackBackend.Pair pair = LoopbackBackend.pair(8, MAX);
    try (LoopbackBackend left = pair.left();
        LoopbackBackend right = pair.right()) {
      right.onReady(wakes::incrementAndGet);
      left.flush();
      assertEquals(0, wakes.get());
      Frames.send(left, Frames.numbered(1, 60));
      assertEquals(1, wakes.get());
      Frames.send(left, Frames.numbered(2, 60));
      assertEquals(1, wakes.get());
      for (int i = 0; i < 2; i++) {
        right.peek();
        right.release();
      }
      assertEquals(0, right.peek());
      Frames.send(left, Frames.numbered(3, 60));
      assertEquals(2, wakes.get());
    }
  }

  @Test
  void closedEndTakesTheLinkDownAndFramesToItAreLost() {
    AtomicInteger wakes = new AtomicInteger();
    LoopbackBackend.Pair pair = LoopbackBackend.pair(2, MAX);
    try (LoopbackBackend left = pair.left()) {
      left.onReady(wakes::incrementAndGet);
      Frames.send(pair.right(), Frames.numbered(7, 60));
      int before = wakes.get();
      pair.right().close();
      assertEquals(before + 1, wakes.get());
      assertFalse(left.linkUp());
      for (int i = 0; i < 5; i++) {
        Frames.send(left, Frames.numbered(i, MAX));
      }
      assertEquals(5, left.counters().droppedOut());
      assertEquals(0, left.counters().framesOut());
      // What was on the wire still arrives.
      assertArrayEquals(Frames.numbered(7, 60), Frames.look(left));
    }
  }

  @Test
  void singleEndReceivesWhatItSends() {
    AtomicInteger wakes = new AtomicInteger();
    try (LoopbackBackend end = LoopbackBackend.single(4, MAX)) {
      end.onReady(wakes::incrementAndGet);
      Frames.send(end, Frames.numbered(5, 99));
      assertEquals(1, wakes.get());
      assertArrayEquals(Frames.numbered(5, 99), Frames.look(end));
      assertTrue(end.linkUp());
    }
  }

  @Test
  void ringIsAPowerOfTwo() {
    assertThrows(IllegalArgumentException.class, () -> LoopbackBackend.single(3, MAX));
    assertThrows(IllegalArgumentException.class, () -> LoopbackBackend.single(0, MAX));
  }

  /**
   * Two threads that sleep whenever they have nothing to do: each frame comes once, whole and in
   * order, and no wake-up is lost, or the test would not end.
   */
  @Test
  void framesCrossTwoThreadsInOrderAndNoWakeUpIsLost() throws InterruptedException {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    String hint = "-Dvirtiolab.seed=" + seed;
    LoopbackBackend.Pair pair = LoopbackBackend.pair(4, MAX);
    LoopbackBackend left = pair.left();
    LoopbackBackend right = pair.right();
    Semaphore leftAwake = new Semaphore(0);
    Semaphore rightAwake = new Semaphore(0);
    left.onReady(leftAwake::release);
    right.onReady(rightAwake::release);
    AtomicReference<Throwable> failure = new AtomicReference<>();
    Thread sender =
        Thread.ofPlatform()
            .daemon()
            .uncaughtExceptionHandler((thread, e) -> failure.set(e))
            .start(() -> sendAll(left, leftAwake, new SplittableRandom(seed)));
    Thread receiver =
        Thread.ofPlatform()
            .daemon()
            .uncaughtExceptionHandler((thread, e) -> failure.set(e))
            .start(() -> receiveAll(right, rightAwake));
    boolean sent = sender.join(LONG_ENOUGH);
    boolean received = receiver.join(failure.get() == null ? LONG_ENOUGH : Duration.ofMillis(1));
    assertNull(failure.get(), () -> hint + ": " + failure.get());
    assertTrue(sent && received, hint + ": a wake-up was lost");
    assertEquals(STRESS_FRAMES, right.counters().framesIn());
    assertEquals(left.counters().bytesOut(), right.counters().bytesIn());
    left.close();
    right.close();
  }

  private static void sendAll(NetBackend out, Semaphore awake, SplittableRandom random) {
    int number = 0;
    while (number < STRESS_FRAMES) {
      int batch = random.nextInt(1, 6);
      boolean refused = false;
      for (int i = 0; i < batch && number < STRESS_FRAMES && !refused; i++) {
        int length = random.nextInt(9, MAX + 1);
        if (out.claim(length)) {
          MemorySegment memory = out.claimed();
          long at = out.claimedOffset();
          memory.set(ValueLayout.JAVA_INT, at, number);
          memory.set(ValueLayout.JAVA_INT, at + 4, length);
          memory.set(ValueLayout.JAVA_BYTE, at + length - 1, (byte) number);
          out.commit();
          number++;
        } else {
          refused = true;
        }
      }
      out.flush();
      if (refused) {
        await(awake);
      }
    }
  }

  private static void receiveAll(NetBackend in, Semaphore awake) {
    int number = 0;
    while (number < STRESS_FRAMES) {
      int length = in.peek();
      if (length == 0) {
        await(awake);
        continue;
      }
      MemorySegment memory = in.peeked();
      long at = in.peekedOffset();
      assertEquals(number, memory.get(ValueLayout.JAVA_INT, at));
      assertEquals((byte) number, memory.get(ValueLayout.JAVA_BYTE, at + length - 1));
      assertEquals(length, memory.get(ValueLayout.JAVA_INT, at + 4));
      in.release();
      number++;
    }
  }

  private static void await(Semaphore awake) {
    try {
      if (!awake.tryAcquire(LONG_ENOUGH.toSeconds(), TimeUnit.SECONDS)) {
        Assertions.fail("a wake-up was lost");
      }
      awake.drainPermits();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void nothingIsAllocatedPerFrame() {
    try (LoopbackBackend end = LoopbackBackend.single(64, MAX)) {
      long bytes = Allocation.bytesOf(5, () -> exchange(end, 20_000));
      assertTrue(bytes < 2_000, bytes + " bytes for 20000 frames");
    }
  }

  private static void exchange(NetBackend end, int frames) {
    for (int i = 0; i < frames; i++) {
      end.claim(64);
      end.claimed().set(ValueLayout.JAVA_LONG, end.claimedOffset(), i);
      end.commit();
      end.flush();
      end.peek();
      end.peeked().get(ValueLayout.JAVA_LONG, end.peekedOffset());
      end.release();
      end.peek();
    }
  }
}
