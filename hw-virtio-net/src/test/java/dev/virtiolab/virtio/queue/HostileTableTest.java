package dev.virtiolab.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.virtio.fixture.DriverRing;
import dev.virtiolab.virtio.fixture.MockBus;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/**
 * Random descriptor tables, indirect tables, available rings and placements, most of them hostile,
 * also while another thread rewrites them. The device never throws, ends, and writes nothing but
 * the used ring and what a descriptor declares writable.
 */
class HostileTableTest {
  private static final int TABLES = 20_000;
  private static final int SIZE = 16;

  /** Pages that the device may read and not write: they hold canaries beside the tables. */
  private static final long READ_ONLY = Bench.BUFFERS;

  /** Pages that the device may write. */
  private static final long WRITABLE = Bench.BUFFERS + 0x4000;

  /** Pages that the device may not touch at all. */
  private static final long FORBIDDEN = Bench.BUFFERS + 0x8000;

  private static final long AREA = 0x4000;
  private static final long TABLE = READ_ONLY + 0x1000;

  private static final long[] ADDRESSES = {
    READ_ONLY,
    READ_ONLY + AREA - 8,
    WRITABLE,
    WRITABLE + AREA - 8,
    FORBIDDEN,
    Bench.BASE,
    Bench.BASE - 1,
    Bench.BASE + Bench.BYTES - 4,
    Bench.BASE + Bench.BYTES,
    TABLE,
    TABLE + 1,
    0,
    -1,
    -16,
    -4096,
    Long.MIN_VALUE,
    Long.MAX_VALUE,
    0xFFFF_FFFFL
  };
  private static final int[] LENGTHS = {
    1, 8, 12, 16, 32, 60, 64, 256, 1514, 4096, 0, 15, 17, -1, Integer.MAX_VALUE, Integer.MIN_VALUE
  };

  @Test
  void randomTablesEndInAChainOrABrokenQueueAndTouchNothingElse() {
    SplittableRandom random = Seed.random("HostileTableTest");
    long[] seen = new long[QueueError.values().length];
    Bench whole = bench();
    Bench scattered = bench();
    scattered.bus.scatter();
    for (int i = 0; i < TABLES; i++) {
      long seed = random.nextLong();
      try {
        play(i % 2 == 0 ? whole : scattered, new SplittableRandom(seed), seen);
        if (i % 500 < 2) {
          checkCanaries(i % 2 == 0 ? whole : scattered);
        }
      } catch (Throwable e) {
        throw new AssertionError("table " + i + " of -Dvirtiolab.seed=" + Seed.VALUE, e);
      }
    }
    checkCanaries(whole);
    checkCanaries(scattered);
    // The generator reaches every kind that a table can cause.
    for (QueueError kind : QueueError.values()) {
      if (kind != QueueError.BAD_SIZE && kind != QueueError.RING_MISALIGNED) {
        assertTrue(seen[kind.ordinal()] > 0, kind + " was never reached");
      }
    }
  }

  private static void play(Bench bench, SplittableRandom random, long[] seen) {
    bench.queue.configure(
        SIZE,
        bench.driver.descriptorArea(),
        bench.driver.driverArea(),
        bench.driver.deviceArea(),
        false,
        random.nextInt(4) != 0);
    fill(bench, random);
    bench.driver.rawAvailIdx(random.nextInt(8) == 0 ? random.nextInt(0x10000) : SIZE);
    long before = bench.bus.resolutions();
    consume(bench, bench.queue);
    seen[bench.queue.error().ordinal()]++;
    // Every access may have been a resolution: their number bounds the work that was done.
    assertTrue(bench.bus.resolutions() - before < SIZE * (2 * SIZE + 8) * 8, "bounded work");
  }

  @Test
  void tablesThatChangeWhileTheyAreReadDoNoHarm() throws InterruptedException {
    SplittableRandom random = Seed.random("HostileTableTest, changing");
    Bench bench = bench();
    AtomicBoolean stop = new AtomicBoolean();
    SplittableRandom mutations = random.split();
    Thread mutator =
        new Thread(
            () -> {
              while (!stop.get()) {
                mutate(bench, mutations, mutations.nextInt(SIZE));
                if (mutations.nextInt(64) == 0) {
                  bench.driver.rawAvailIdx(mutations.nextInt(SIZE + 1));
                }
              }
            },
            "mutator");
    mutator.start();
    long chains = 0;
    long broken = 0;
    try {
      // So many rounds that the two threads meet; each round is a reset and a walk.
      for (int round = 0; round < 60_000; round++) {
        bench.queue.configure(
            SIZE,
            bench.driver.descriptorArea(),
            bench.driver.driverArea(),
            bench.driver.deviceArea(),
            false,
            true);
        bench.driver.rawAvailIdx(SIZE);
        long before = bench.queue.counters().chains();
        consume(bench, bench.queue);
        chains += bench.queue.counters().chains() - before;
        broken += bench.queue.state() == QueueState.BROKEN ? 1 : 0;
      }
    } finally {
      stop.set(true);
      mutator.join();
    }
    assertTrue(chains > 0 && broken > 0, "chains=" + chains + " broken=" + broken);
    checkCanaries(bench);
  }

  /** What a device does with whatever it finds: reads it all, writes it all, up to a limit. */
  private static void consume(Bench bench, SplitQueue queue) {
    byte[] bytes = new byte[2048];
    MemorySegment local = MemorySegment.ofArray(bytes);
    for (int i = 0; i <= SIZE; i++) {
      Outcome outcome = queue.next(bench.chain);
      if (outcome != Outcome.CHAIN) {
        break;
      }
      check(bench.chain);
      Chain chain = bench.chain;
      queue.gather(chain, 0, local, 0, Math.min(chain.readableBytes(), bytes.length));
      local.fill((byte) 0x5A);
      int write = Math.min(chain.writableBytes(), bytes.length);
      queue.scatter(chain, chain.writableBytes() - write, local, 0, write);
      queue.complete(chain, write);
    }
    queue.publish();
    queue.enableKicks();
  }

  /** What every chain promises, whatever the table said. */
  private static void check(Chain chain) {
    assertTrue(chain.parts() >= 1 && chain.parts() <= SIZE);
    assertTrue(chain.head() >= 0 && chain.head() < SIZE);
    long readable = 0;
    long writable = 0;
    for (int i = 0; i < chain.parts(); i++) {
      assertTrue(chain.length(i) > 0);
      assertTrue(
          Long.compareUnsigned(chain.address(i) + chain.length(i) - 1, chain.address(i)) >= 0);
      if (i < chain.readableParts()) {
        readable += chain.length(i);
      } else {
        writable += chain.length(i);
      }
    }
    assertEquals(readable, chain.readableBytes());
    assertEquals(writable, chain.writableBytes());
    assertTrue(readable + writable <= Chain.MAX_BYTES);
  }

  private static void fill(Bench bench, SplittableRandom random) {
    for (int i = 0; i < SIZE; i++) {
      mutate(bench, random, i);
      // Mostly in range, so that the walk gets somewhere.
      bench.driver.rawAvailEntry(
          i, random.nextInt(12) == 0 ? random.nextInt(0x10000) : random.nextInt(SIZE));
    }
  }

  /** Rewrites one descriptor of the ring's table and one of the indirect table. */
  private static void mutate(Bench bench, SplittableRandom random, int index) {
    DriverRing driver = bench.driver;
    driver.rawDescriptor(index, address(random), length(random), flags(random, 10), next(random));
    driver.rawEntry(
        TABLE + (index & 1),
        index,
        address(random),
        length(random),
        flags(random, 40),
        next(random));
  }

  private static long address(SplittableRandom random) {
    return switch (random.nextInt(8)) {
      case 0 -> ADDRESSES[random.nextInt(ADDRESSES.length)];
      case 1 -> TABLE + random.nextInt(2);
      case 2, 3, 4 -> WRITABLE + random.nextInt((int) AREA - 64);
      default -> READ_ONLY + random.nextInt((int) AREA - 64);
    };
  }

  private static int length(SplittableRandom random) {
    return random.nextInt(6) == 0
        ? LENGTHS[random.nextInt(LENGTHS.length)]
        : 16 * random.nextInt(1, 5);
  }

  private static int flags(SplittableRandom random, int indirectOneIn) {
    int flags = random.nextInt(4);
    if (random.nextInt(indirectOneIn) == 0) {
      flags = 4 | (random.nextInt(4) == 0 ? flags : flags & 2);
    }
    return random.nextInt(50) == 0 ? random.nextInt(0x10000) : flags;
  }

  private static int next(SplittableRandom random) {
    return random.nextInt(20) == 0 ? random.nextInt(0x10000) : random.nextInt(SIZE);
  }

  private static Bench bench() {
    Bench bench = new Bench(SIZE, false);
    MockBus bus = bench.bus;
    // The rings' page is writable, since the used ring is in it: what a hostile driver has the
    // device write over its own rings is its own affair.
    for (long page = Bench.BASE + 4096; page < Bench.BASE + Bench.BYTES; page += MockBus.PAGE) {
      boolean forbidden = page >= FORBIDDEN && page < FORBIDDEN + AREA;
      boolean writable = page >= WRITABLE && page < WRITABLE + AREA;
      if (!writable) {
        bus.fault(page, DmaAccess.WRITE, DmaFault.NOT_PERMITTED);
      }
      if (forbidden) {
        bus.fault(page, DmaAccess.READ, DmaFault.NOT_MAPPED);
      }
    }
    bench.at(Bench.BASE + 4096, Bench.BYTES - 4096).fill((byte) 0xC5);
    return bench;
  }

  private static void checkCanaries(Bench bench) {
    for (long page = Bench.BASE + 4096; page < Bench.BASE + Bench.BYTES; page += MockBus.PAGE) {
      boolean writable = page >= WRITABLE && page < WRITABLE + AREA;
      if (!writable && page != TABLE) {
        MemorySegment bytes = bench.at(page, MockBus.PAGE);
        for (long at = 0; at < MockBus.PAGE; at += Long.BYTES) {
          if (bytes.get(ValueLayout.JAVA_LONG_UNALIGNED, at) != 0xC5C5C5C5C5C5C5C5L) {
            throw new AssertionError("written at " + Long.toHexString(page + at));
          }
        }
      }
    }
  }
}
