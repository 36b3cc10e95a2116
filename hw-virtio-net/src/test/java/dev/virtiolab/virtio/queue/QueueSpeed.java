package dev.virtiolab.virtio.queue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Chains per second where driver and device share a thread: 64-byte frames behind a 12-byte header,
 * in batches of 64. Run by hand; nothing is asserted, since machines differ.
 */
final class QueueSpeed {
  private static final int BATCH = 64;
  private static final int BATCHES = 500_000;

  private QueueSpeed() {}

  public static void main(String[] arguments) {
    for (int round = 0; round < 5; round++) {
      report("take and complete", round, false, false);
      report("and copy 64 bytes out", round, true, false);
      report("and copy 64 bytes in", round, false, true);
    }
  }

  private static void report(String what, int round, boolean gather, boolean scatter) {
    Bench bench = new Bench(256, true);
    MemorySegment local = Arena.ofAuto().allocate(64, 64);
    int[] heads = new int[BATCH];
    for (int i = 0; i < BATCH; i++) {
      heads[i] = i;
      bench.driver.rawDescriptor(i, Bench.BUFFERS + i * 2048L, 64, scatter ? 2 : 0, 0);
    }
    long begin = System.nanoTime();
    for (int batch = 0; batch < BATCHES; batch++) {
      for (int i = 0; i < BATCH; i++) {
        bench.driver.offer(heads[i]);
      }
      bench.driver.publish();
      for (int i = 0; i < BATCH; i++) {
        if (bench.queue.next(bench.chain) != Outcome.CHAIN) {
          throw new AssertionError(bench.queue.error());
        }
        if (gather) {
          bench.queue.gather(bench.chain, 0, local, 0, 64);
        }
        if (scatter) {
          bench.queue.scatter(bench.chain, 0, local, 0, 64);
        }
        bench.queue.complete(bench.chain, scatter ? 64 : 0);
      }
      bench.queue.publish();
    }
    double seconds = (System.nanoTime() - begin) / 1e9;
    System.out.printf(
        "round=%d chainsPerSecond=%.1fM %s%n",
        round, BATCHES * (double) BATCH / seconds / 1e6, what);
  }
}
