package dev.virtiolab.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** A driver's thread and a device's thread over one memory. */
class TwoThreadTest {
  private static final long DEADLINE_NANOS = 60_000_000_000L;
  private static final ValueLayout.OfLong WORD = ValueLayout.JAVA_LONG_UNALIGNED;

  /**
   * The device waits in {@link SplitQueue#spin}, compiled, and the driver publishes while it does.
   * A plain load of avail.idx may be taken out of the loop, but HotSpot 25 on x86 has been seen to
   * leave it there, so this test does not hold the acquire: {@link AccessModeTest} does.
   */
  @Test
  void aDeviceThatSpinsSeesTheIndexMove() throws InterruptedException {
    Bench bench = new Bench(8, false);
    for (int i = 0; i < 3000; i++) {
      assertEquals(false, bench.queue.spin(20_000));
    }
    AtomicInteger spinning = new AtomicInteger();
    AtomicInteger seen = new AtomicInteger();
    int rounds = 40;
    AtomicReference<String> failure = new AtomicReference<>();
    Thread device =
        new Thread(
            () -> {
              long deadline = System.nanoTime() + DEADLINE_NANOS;
              for (int round = 1; round <= rounds; round++) {
                spinning.set(round);
                // One call of these takes seconds if each look is made, and the driver's answer
                // comes long before; a call that looks once and returns is found out.
                int calls = 0;
                while (!bench.queue.spin(Integer.MAX_VALUE)) {
                  if (++calls > 50 || System.nanoTime() > deadline) {
                    failure.set("round=" + round + " calls=" + calls);
                    spinning.set(-1);
                    return;
                  }
                }
                bench.queue.next(bench.chain);
                bench.queue.complete(bench.chain, 0);
                bench.queue.publish();
                seen.set(round);
              }
            },
            "device");
    device.start();
    for (int round = 1; round <= rounds && failure.get() == null; round++) {
      while (spinning.get() != round && failure.get() == null) {
        Thread.onSpinWait();
      }
      // Gives the device the time to be in the middle of its loop.
      long until = System.nanoTime() + 2_000_000;
      while (System.nanoTime() < until) {
        Thread.onSpinWait();
      }
      bench.driver.begin().readable(Bench.BUFFERS, 8).offer();
      bench.driver.publish();
      while (!bench.driver.poll() && failure.get() == null) {
        Thread.onSpinWait();
      }
    }
    device.join();
    assertEquals(null, failure.get());
    assertEquals(rounds, seen.get());
  }

  /**
   * An echo: the driver sends a sequence number in the readable part and expects it back in the
   * writable part, with a length made from it. Whatever is seen too early is stale and found out:
   * descriptors and payload by the device, used elements and payload by the driver.
   */
  @Test
  void nothingIsSeenBeforeItIsPublished() throws InterruptedException {
    int size = 4;
    Bench bench = new Bench(size, true, 0xFF00);
    int count = 400_000;
    AtomicReference<String> failure = new AtomicReference<>();
    Thread device = new Thread(() -> echo(bench, count, failure), "device");
    device.start();
    drive(bench, count, size / 2, failure);
    device.join();
    assertEquals(null, failure.get());
    assertEquals(QueueError.NONE, bench.queue.error());
    assertEquals(count, bench.queue.counters().completions());
    assertTrue(bench.queue.counters().publications() <= count);
  }

  private static void echo(Bench bench, int count, AtomicReference<String> failure) {
    MemorySegment local = Arena.ofAuto().allocate(16, 8);
    long deadline = System.nanoTime() + DEADLINE_NANOS;
    long expected = 0;
    while (expected < count && failure.get() == null) {
      Outcome outcome = bench.queue.next(bench.chain);
      if (outcome == Outcome.CHAIN) {
        bench.queue.gather(bench.chain, 0, local, 0, 8);
        long sequence = local.get(WORD, 0);
        if (sequence != expected) {
          failure.set("device: sequence=" + sequence + " expected=" + expected);
        }
        expected++;
        bench.queue.scatter(bench.chain, 0, local, 0, 8);
        bench.queue.complete(bench.chain, written(sequence));
        bench.queue.publish();
      } else if (outcome == Outcome.BROKEN) {
        failure.set("device: " + bench.queue.error());
      } else if (System.nanoTime() > deadline) {
        failure.set("device: deadline, expected=" + expected);
      } else {
        Thread.onSpinWait();
      }
    }
  }

  private static void drive(Bench bench, int count, int window, AtomicReference<String> failure) {
    long deadline = System.nanoTime() + DEADLINE_NANOS;
    long sent = 0;
    long received = 0;
    int[] heads = new int[window];
    while (received < count && failure.get() == null) {
      while (sent < count && sent - received < window) {
        long buffer = buffer(sent, window);
        bench.at(buffer, 8).set(WORD, 0, sent);
        bench.at(buffer + 0x800, 8).set(WORD, 0, -1);
        heads[(int) (sent % window)] =
            bench.driver.begin().readable(buffer, 8).writable(buffer + 0x800, 1024).offer();
        bench.driver.publish();
        sent++;
      }
      if (bench.driver.poll()) {
        long echoed = bench.at(buffer(received, window) + 0x800, 8).get(WORD, 0);
        if (bench.driver.usedId() != heads[(int) (received % window)]
            || bench.driver.usedLength() != written(received)
            || echoed != received) {
          failure.set(
              "driver: received="
                  + received
                  + " id="
                  + bench.driver.usedId()
                  + " length="
                  + bench.driver.usedLength()
                  + " echoed="
                  + echoed);
        }
        received++;
      } else if (System.nanoTime() > deadline) {
        failure.compareAndSet(null, "driver: deadline, received=" + received);
      } else {
        Thread.onSpinWait();
      }
    }
  }

  private static long buffer(long sequence, int window) {
    return Bench.BUFFERS + (sequence % window) * 0x1000;
  }

  private static int written(long sequence) {
    return 8 + (int) (sequence % 1001);
  }

  /**
   * Both sides sleep: the device re-enables kicks and waits when it finds the ring empty, the
   * driver re-enables interrupts and waits when nothing is used. Were a fence missing on either
   * side, both would come to wait for each other.
   */
  @Test
  void noKickAndNoInterruptIsLost() throws InterruptedException {
    for (boolean eventIdx : new boolean[] {false, true}) {
      Bench bench = new Bench(4, eventIdx, 0xFFF0);
      int count = 50_000;
      AtomicInteger kicks = new AtomicInteger();
      AtomicInteger interrupts = new AtomicInteger();
      AtomicReference<String> failure = new AtomicReference<>();
      Thread device =
          new Thread(() -> sleepyDevice(bench, count, kicks, interrupts, failure), "device");
      device.start();
      long deadline = System.nanoTime() + DEADLINE_NANOS;
      long sent = 0;
      long received = 0;
      while (received < count && failure.get() == null) {
        boolean full = sent - received == 4 || sent == count;
        if (!full) {
          bench.driver.begin().writable(Bench.BUFFERS, 8).offer();
          sent++;
          if (bench.driver.publish()) {
            kicks.incrementAndGet();
          }
        }
        bench.driver.disableInterrupts();
        while (bench.driver.poll()) {
          received++;
        }
        boolean mustWait = received < count && (sent - received == 4 || sent == count);
        if (mustWait) {
          int before = interrupts.get();
          if (!bench.driver.enableInterrupts()) {
            await(interrupts, before, deadline, failure, "driver, received=" + received);
          }
        }
      }
      device.join();
      assertEquals(null, failure.get(), "eventIdx=" + eventIdx);
    }
  }

  private static void sleepyDevice(
      Bench bench,
      int count,
      AtomicInteger kicks,
      AtomicInteger interrupts,
      AtomicReference<String> failure) {
    long deadline = System.nanoTime() + DEADLINE_NANOS;
    int done = 0;
    while (done < count && failure.get() == null) {
      bench.queue.disableKicks();
      while (bench.queue.next(bench.chain) == Outcome.CHAIN) {
        bench.queue.complete(bench.chain, 8);
        done++;
        if (bench.queue.publish()) {
          interrupts.incrementAndGet();
        }
      }
      int before = kicks.get();
      if (done < count && !bench.queue.enableKicks()) {
        await(kicks, before, deadline, failure, "device, done=" + done);
      }
    }
  }

  private static void await(
      AtomicInteger bell, int before, long deadline, AtomicReference<String> failure, String who) {
    while (bell.get() == before && failure.get() == null) {
      if (System.nanoTime() > deadline) {
        failure.compareAndSet(null, "waits for ever: " + who);
      }
      Thread.onSpinWait();
    }
  }
}
