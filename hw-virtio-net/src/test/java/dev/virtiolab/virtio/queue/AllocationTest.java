package dev.virtiolab.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.posix.fixture.Allocation;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

class AllocationTest {
  private static final int CHAINS = 5_000;

  private final Bench bench = new Bench(256, true);
  private final MemorySegment local = Arena.ofAuto().allocate(2048);

  @Test
  void movingAChainAllocatesNothing() {
    // Less than a byte for each chain: what remains is the JVM's own doing.
    long bytes = Allocation.bytesOf(40, this::moveMany);
    assertTrue(bytes < CHAINS / 10, "bytes=" + bytes + " for chains=" + CHAINS);
  }

  @Test
  void breakingAQueueAllocatesNothing() {
    long bytes = Allocation.bytesOf(40, this::breakMany);
    assertTrue(bytes < CHAINS / 10, "bytes=" + bytes + " for queues=" + CHAINS);
  }

  private void moveMany() {
    for (int i = 0; i < CHAINS; i++) {
      bench
          .driver
          .beginIndirect(Bench.BUFFERS + 0x8000)
          .readable(Bench.BUFFERS, 12)
          .readable(Bench.BUFFERS + 64, 60)
          .writable(Bench.BUFFERS + 256, 100)
          .offer();
      bench.driver.publish();
      assertEquals(Outcome.CHAIN, bench.queue.next(bench.chain));
      bench.queue.rewind(bench.chain);
      bench.queue.next(bench.chain);
      DmaFault read = bench.queue.gather(bench.chain, 0, local, 0, 72);
      DmaFault written = bench.queue.scatter(bench.chain, 0, local, 0, 100);
      if (read != DmaFault.NONE || written != DmaFault.NONE) {
        throw new AssertionError();
      }
      bench.queue.complete(bench.chain, 100);
      bench.queue.publish();
      bench.queue.enableKicks();
      bench.queue.disableKicks();
      bench.driver.poll();
    }
  }

  private void breakMany() {
    for (int i = 0; i < CHAINS; i++) {
      bench.start(0);
      bench.driver.rawDescriptor(0, Bench.BUFFERS, 8, 1, 0);
      bench.driver.offer(0);
      bench.driver.publish();
      if (bench.queue.next(bench.chain) != Outcome.BROKEN) {
        throw new AssertionError();
      }
    }
  }
}
