package dev.virtiolab.virtio.queue;

import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.fixture.MockBus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Guest memory with one ring at its start, a bus over it and a device's queue: a test's bench. */
final class Bench {
  /** Bus address of the first byte of memory: not 0, so that offsets and addresses differ. */
  static final long BASE = 0x4000_0000L;

  /** Bus address where buffers may lie, after rings of up to 32768 descriptors. */
  static final long BUFFERS = BASE + 0x10_0000;

  static final int BYTES = 2 << 20;

  final MemorySegment memory;
  final MockBus bus;
  final DriverRing driver;
  final SplitQueue queue;
  final Chain chain;
  final boolean eventIdx;

  Bench(int size, boolean eventIdx) {
    this(size, eventIdx, 0);
  }

  Bench(int size, boolean eventIdx, int startIndex) {
    // Automatic: some tests look at it from two threads.
    this(Arena.ofAuto().allocate(BYTES, 4096), size, eventIdx, startIndex);
  }

  /** A bench over {@code memory}, of {@link #BYTES} bytes and aligned to a page or a long. */
  Bench(MemorySegment memory, int size, boolean eventIdx, int startIndex) {
    this.memory = memory;
    this.eventIdx = eventIdx;
    bus = new MockBus(memory, BASE);
    driver = new DriverRing(memory, BASE, BASE, size, eventIdx);
    queue = new SplitQueue(bus, Math.max(size, 256));
    chain = new Chain(queue.maximumSize());
    start(startIndex);
  }

  /** Enables the queue, as negotiated, with both indices at {@code index}. */
  void start(int index) {
    driver.startAt(index);
    boolean running =
        queue.resume(
            driver.size(),
            driver.descriptorArea(),
            driver.driverArea(),
            driver.deviceArea(),
            eventIdx,
            true,
            QueueResume.at(index, index));
    if (!running) {
      throw new AssertionError(queue.error());
    }
  }

  /** The segment's bytes at a bus address. */
  MemorySegment at(long address, long length) {
    return memory.asSlice(address - BASE, length);
  }
}
