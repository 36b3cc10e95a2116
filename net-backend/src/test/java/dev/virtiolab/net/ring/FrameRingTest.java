package dev.virtiolab.net.ring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Two threads that meet in a ring so small that each waits for the other nearly every time. They
 * spin while they wait, so that "nothing there" and "here is something" fall together often: a note
 * that one leaves and the other overlooks stops both.
 */
class FrameRingTest {
  private static final int MAX_FRAMES = 3_000_000;
  private static final int LAST = -1;

  /** How long to try: a busy machine brings the threads together less often, but ends in time. */
  private static final long TRY_NANOS = 1_500_000_000L;

  private static final int SPINS_PER_LOOK = 500;
  private static final long PATIENCE_NANOS = 10_000_000_000L;

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void noWakeUpIsLostHoweverSmallTheRing(int slots) throws InterruptedException {
    try (Arena arena = Arena.ofShared()) {
      FrameRing ring = new FrameRing(arena, slots, 64);
      AtomicBoolean producerWoken = new AtomicBoolean();
      AtomicBoolean consumerWoken = new AtomicBoolean();
      AtomicReference<Throwable> failure = new AtomicReference<>();
      Thread producer =
          Thread.ofPlatform()
              .daemon()
              .uncaughtExceptionHandler((thread, e) -> failure.compareAndSet(null, e))
              .start(() -> produce(ring, producerWoken, consumerWoken));
      Thread consumer =
          Thread.ofPlatform()
              .daemon()
              .uncaughtExceptionHandler((thread, e) -> failure.compareAndSet(null, e))
              .start(() -> consume(ring, producerWoken, consumerWoken));
      assertTrue(producer.join(Duration.ofSeconds(60)));
      assertTrue(consumer.join(Duration.ofSeconds(60)));
      assertNull(failure.get(), () -> String.valueOf(failure.get()));
    }
  }

  private static void produce(FrameRing ring, AtomicBoolean woken, AtomicBoolean consumerWoken) {
    long start = System.nanoTime();
    for (int number = 0; number <= MAX_FRAMES; number++) {
      boolean last = number == MAX_FRAMES || System.nanoTime() - start >= TRY_NANOS;
      while (!ring.hasRoom()) {
        await(woken, number);
      }
      ring.memory().set(ValueLayout.JAVA_INT, ring.writeOffset(), last ? LAST : number);
      ring.commit(Integer.BYTES + number % 8);
      if (ring.publish()) {
        consumerWoken.set(true);
      }
      if (last) {
        return;
      }
    }
  }

  private static void consume(FrameRing ring, AtomicBoolean producerWoken, AtomicBoolean woken) {
    for (int number = 0; ; number++) {
      int length = ring.peek();
      while (length == 0) {
        await(woken, number);
        length = ring.peek();
      }
      assertEquals(Integer.BYTES + number % 8, length);
      int found = ring.memory().get(ValueLayout.JAVA_INT, ring.readOffset());
      if (ring.release()) {
        producerWoken.set(true);
      }
      if (found == LAST) {
        return;
      }
      assertEquals(number, found);
    }
  }

  private static void await(AtomicBoolean woken, int number) {
    long start = 0;
    for (int spins = 1; !woken.get(); spins++) {
      if (spins % SPINS_PER_LOOK == 0) {
        long now = System.nanoTime();
        start = start == 0 ? now : start;
        assertTrue(now - start < PATIENCE_NANOS, () -> "a wake-up was lost at frame " + number);
        Thread.yield();
      }
      Thread.onSpinWait();
    }
    woken.set(false);
  }
}
