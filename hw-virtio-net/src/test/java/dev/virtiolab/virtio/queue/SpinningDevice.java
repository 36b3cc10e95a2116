package dev.virtiolab.virtio.queue;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A device in poll mode that sits in one long {@link SplitQueue#spin}, compiled, while the driver
 * publishes. The loop is right only because its load of avail.idx is an acquire: of a plain load
 * HotSpot makes one before the loop, and the call ends without having seen the index move.
 *
 * <p>Two things bring the compiler to do so, and hide a load that is too weak where they are
 * missing. Guest memory is a Java array: HotSpot 25 moves plain loads of an array out of a loop,
 * and leaves those of native memory where they are. And the program runs in a JVM of its own, which
 * has seen no other kind of memory.
 */
final class SpinningDevice {
  private static final int ROUNDS = 20;
  private static final long MIDDLE_NANOS = 2_000_000;

  private SpinningDevice() {}

  /** Exits with 0 if the device saw what was published while it looked, with 1 if not. */
  public static void main(String[] arguments) {
    MemorySegment array = MemorySegment.ofArray(new long[Bench.BYTES / Long.BYTES]);
    Bench bench = new Bench(array, 8, false, 0);
    warmUp(bench);
    AtomicInteger round = new AtomicInteger();
    AtomicInteger seen = new AtomicInteger();
    Thread.ofPlatform().name("device").daemon().start(() -> run(bench, round, seen));
    for (int i = 1; i <= ROUNDS; i++) {
      while (round.get() != i) {
        Thread.onSpinWait();
      }
      // The device comes to be in the middle of its loop.
      long until = System.nanoTime() + MIDDLE_NANOS;
      while (System.nanoTime() < until) {
        Thread.onSpinWait();
      }
      offer(bench);
      while (!bench.driver.poll()) {
        Thread.onSpinWait();
      }
    }
    System.out.println("rounds=" + ROUNDS + " seenByTheCallUnderWay=" + seen);
    // Most, not all: on a busy machine a thread may stand still for longer than a call lasts.
    System.exit(seen.get() > ROUNDS / 2 ? 0 : 1);
  }

  private static void run(Bench bench, AtomicInteger round, AtomicInteger seen) {
    for (int i = 1; i <= ROUNDS; i++) {
      round.set(i);
      // A second or more, if each look is made; the driver publishes long before.
      if (bench.queue.spin(Integer.MAX_VALUE)) {
        seen.incrementAndGet();
      }
      take(bench);
    }
  }

  /** Until all is compiled, for both ends that a call can come to. */
  private static void warmUp(Bench bench) {
    for (int i = 0; i < 3000; i++) {
      if (bench.queue.spin(20_000)) {
        throw new AssertionError("nothing was published");
      }
      offer(bench);
      if (!bench.queue.spin(20_000)) {
        throw new AssertionError("something was published");
      }
      take(bench);
      bench.driver.poll();
    }
  }

  private static void offer(Bench bench) {
    bench.driver.begin().readable(Bench.BUFFERS, 8).offer();
    bench.driver.publish();
  }

  private static void take(Bench bench) {
    while (bench.queue.next(bench.chain) != Outcome.CHAIN) {
      Thread.onSpinWait();
    }
    bench.queue.complete(bench.chain, 0);
    bench.queue.publish();
  }
}
