package dev.virtiolab.integration.parts;

import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.fixture.MockBus;
import dev.virtiolab.virtio.queue.Chain;
import dev.virtiolab.virtio.queue.Outcome;
import dev.virtiolab.virtio.queue.SplitQueue;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The device takes a chain, reads its descriptors and completes it; the driver offers it again.
 * Batches of 64, as under load.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class ChainWalk {
  private static final int BATCH = 64;
  private static final int RING_SIZE = 256;
  private static final long BASE = 0x4000_0000L;
  private static final long BUFFERS = BASE + 0x1_0000;
  private static final int BUFFER_STRIDE = 2048;
  private static final int MEMORY_BYTES = 1 << 20;
  private static final int HEADER_BYTES = 12;
  private static final int FRAME_BYTES = 64;

  /** Descriptors in a chain: the frame alone, or header and frame, as VirtioNetDxe sends it. */
  @Param({"1", "2"})
  private int descriptors;

  private Arena arena;
  private DriverRing driver;
  private SplitQueue queue;
  private Chain chain;

  /** For JMH. */
  public ChainWalk() {}

  /** Lays out a ring with a chain for each place of a batch. */
  @Setup
  public void layOut() {
    arena = Arena.ofConfined();
    MemorySegment memory = arena.allocate(MEMORY_BYTES, MockBus.PAGE);
    MockBus bus = new MockBus(memory, BASE);
    driver = new DriverRing(memory, BASE, BASE, RING_SIZE, false);
    queue = new SplitQueue(bus, RING_SIZE);
    chain = new Chain(queue.maximumSize());
    boolean running =
        queue.configure(
            RING_SIZE,
            driver.descriptorArea(),
            driver.driverArea(),
            driver.deviceArea(),
            false,
            false);
    if (!running) {
      throw new IllegalStateException(queue.error().toString());
    }
    for (int i = 0; i < BATCH; i++) {
      long buffer = BUFFERS + (long) i * BUFFER_STRIDE;
      if (descriptors == 1) {
        driver.rawDescriptor(i, buffer, FRAME_BYTES, 0, 0);
      } else {
        driver.rawDescriptor(i, buffer, HEADER_BYTES, DriverRing.NEXT, BATCH + i);
        driver.rawDescriptor(BATCH + i, buffer + HEADER_BYTES, FRAME_BYTES, 0, 0);
      }
    }
  }

  /** One chain. */
  @Benchmark
  @OperationsPerInvocation(BATCH)
  public int takeAndComplete() {
    for (int i = 0; i < BATCH; i++) {
      driver.offer(i);
    }
    driver.publish();
    int bytes = 0;
    for (int i = 0; i < BATCH; i++) {
      if (queue.next(chain) != Outcome.CHAIN) {
        throw new IllegalStateException(queue.error().toString());
      }
      bytes += chain.readableBytes();
      queue.complete(chain, 0);
    }
    queue.publish();
    return bytes;
  }

  /** Frees the memory. */
  @TearDown
  public void free() {
    arena.close();
  }
}
