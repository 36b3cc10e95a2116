package dev.virtiolab.iommu.noncoherent;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.cpu.CpuCache;
import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.pci.fixture.SlowCache;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.pci.memory.RamRegion;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * The cache cannot be told from {@link SlowCache}: the same random history is lived through by
 * both, and whatever any observer sees is compared byte for byte as it is seen; in the end the
 * state of every line and every counter too.
 *
 * <p>{@code -Dvirtiolab.seed=N} replays a run; a failure names the history and the step.
 */
class SlowEquivalenceTest {
  private static final int HISTORIES = 600;
  private static final int STEPS = 200;
  private static final int PAGE = 4096;
  private static final int LINE = 64;
  private static final long LOW_PAGES = 3;
  private static final long HIGH_PAGES = 2;

  @Test
  void noObserverCanTellTheCacheFromAMapOfLines() {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    System.out.println("SlowEquivalenceTest: -Dvirtiolab.seed=" + seed);
    SplittableRandom seeds = new SplittableRandom(seed);
    try (PhysicalMemory memory = PhysicalMemory.allocate(LOW_PAGES * PAGE, HIGH_PAGES * PAGE)) {
      for (int i = 0; i < HISTORIES; i++) {
        memory.regions().forEach(region -> region.segment().fill((byte) 0));
        String name = "-Dvirtiolab.seed=%d history=%d".formatted(seed, i);
        new History(memory, seeds.nextLong(), name).run();
      }
    }
  }

  /** One life of one memory. */
  private static final class History {
    private final SplittableRandom random;
    private final String name;
    private final NonCoherentPlatform fast;
    private final CpuMemory cpu;
    private final CpuCache cache;
    private final BusMemory bus;
    private final SlowCache slow;
    private final List<RamRegion> regions;
    private final List<Long> pages = new ArrayList<>();
    private String step = "start";

    History(PhysicalMemory memory, long seed, String name) {
      random = new SplittableRandom(seed);
      this.name = name;
      fast = new NonCoherentPlatform(memory);
      cpu = fast.cpuMemory();
      cache = fast.cpuCache().orElseThrow();
      bus = fast.busMemory(0x20);
      slow = new SlowCache(address -> memory.regionAt(address) != null, (byte) 0);
      regions = memory.regions();
      for (RamRegion region : regions) {
        for (long page = region.base(); page < region.limit(); page += PAGE) {
          pages.add(page);
        }
      }
    }

    void run() {
      try (fast) {
        for (int i = 0; i < STEPS; i++) {
          step(i);
        }
        compareAll();
      }
    }

    private void compareAll() {
      step = "end";
      for (long page : pages) {
        assertEquals(slow.isUncached(page), cache.isUncached(page), this::where);
        same(dramOf(page, PAGE), device(page, new byte[PAGE], DmaAccess.READ));
        for (long at = page; at < page + PAGE; at += LINE) {
          LineState expected =
              slow.isDirty(at)
                  ? LineState.DIRTY
                  : slow.isPresent(at) ? LineState.CLEAN : LineState.ABSENT;
          assertEquals(expected, fast.lineState(at), this::where);
          assertEquals(slow.differs(at) ? 1 : 0, fast.linesThatDiffer(at, 1), this::where);
        }
      }
      NonCoherentCounters expected =
          new NonCoherentCounters(
              slow.filled(),
              slow.writtenBack(),
              slow.invalidated(),
              slow.dirtyLost(),
              slow.stranded(),
              slow.uncachedPages().size());
      assertEquals(expected, fast.counters(), this::where);
      for (long page : pages) {
        same(cpuOf(page, PAGE), read(page, PAGE));
      }
    }

    private void step(int number) {
      int kind = random.nextInt(20);
      step = "step=%d kind=%d".formatted(number, kind);
      switch (kind) {
        case 0, 1, 2 -> load();
        case 3, 4, 5 -> store();
        case 6 -> {
          long address = anywhere();
          int length = lengthFrom(address);
          same(cpuOf(address, length), read(address, length));
        }
        case 7 -> {
          long address = anywhere();
          byte[] bytes = bytes(lengthFrom(address));
          slow.write(address, MemorySegment.ofArray(bytes), 0, bytes.length);
          cpu.write(address, MemorySegment.ofArray(bytes), 0, bytes.length);
        }
        case 8, 9 -> {
          long source = anywhere();
          long target = random.nextBoolean() ? near(source) : anywhere();
          int length = Math.min(lengthFrom(source), lengthFrom(target));
          slow.copy(source, target, length);
          cpu.copy(source, target, length);
        }
        case 10 -> {
          long address = anywhere();
          int length = lengthFrom(address);
          byte value = (byte) (random.nextBoolean() ? 0 : random.nextInt());
          slow.fill(address, length, value);
          cpu.fill(address, length, value);
        }
        case 11, 12 -> {
          long address = anywhere();
          int length = lengthFrom(address);
          same(dramOf(address, length), device(address, new byte[length], DmaAccess.READ));
        }
        case 13, 14 -> {
          long address = anywhere();
          byte[] bytes = bytes(lengthFrom(address));
          for (int i = 0; i < bytes.length; i++) {
            slow.dramWrite(address + i, bytes[i]);
          }
          device(address, bytes, DmaAccess.WRITE);
        }
        case 15, 16, 17, 18 -> maintain();
        default -> changeAttribute();
      }
    }

    private void load() {
      int width = 1 << random.nextInt(4);
      long address = anywhere();
      if (lengthToEnd(address) < width) {
        return;
      }
      boolean acquire = width == 2 && random.nextBoolean();
      long at = acquire ? address & ~1L : address;
      long expected =
          switch (width) {
            case 1 -> slow.getByte(at);
            case 2 -> slow.getShort(at);
            case 4 -> slow.getInt(at);
            default -> slow.getLong(at);
          };
      long seen =
          switch (width) {
            case 1 -> cpu.getByte(at);
            case 2 -> acquire ? cpu.getShortAcquire(at) : cpu.getShort(at);
            case 4 -> cpu.getInt(at);
            default -> cpu.getLong(at);
          };
      assertEquals(expected, seen, this::where);
    }

    private void store() {
      int width = 1 << random.nextInt(4);
      long address = anywhere();
      if (lengthToEnd(address) < width) {
        return;
      }
      long value = random.nextLong();
      switch (width) {
        case 1 -> {
          slow.putByte(address, (byte) value);
          cpu.putByte(address, (byte) value);
        }
        case 2 -> {
          if (random.nextBoolean()) {
            slow.putShort(address & ~1L, (short) value);
            cpu.putShortRelease(address & ~1L, (short) value);
          } else {
            slow.putShort(address, (short) value);
            cpu.putShort(address, (short) value);
          }
        }
        case 4 -> {
          slow.putInt(address, (int) value);
          cpu.putInt(address, (int) value);
        }
        default -> {
          slow.putLong(address, value);
          cpu.putLong(address, value);
        }
      }
    }

    private void maintain() {
      long address = anywhere();
      int length = lengthFrom(address);
      switch (random.nextInt(3)) {
        case 0 -> {
          slow.writeBack(address, length);
          cache.writeBack(address, length);
        }
        case 1 -> {
          slow.invalidate(address, length);
          cache.invalidate(address, length);
        }
        default -> {
          slow.writeBackInvalidate(address, length);
          cache.writeBackInvalidate(address, length);
        }
      }
    }

    private void changeAttribute() {
      long address = pages.get(random.nextInt(pages.size()));
      int count = random.nextInt(2) + 1;
      if (lengthToEnd(address) < (long) count * PAGE) {
        count = random.nextInt(2);
      }
      if (random.nextBoolean()) {
        slow.setUncached(address, count);
        cache.setUncached(address, count);
      } else {
        slow.setCached(address, count);
        cache.setCached(address, count);
      }
    }

    /** Any byte of RAM; often close to an end of its page. */
    private long anywhere() {
      int offset =
          switch (random.nextInt(4)) {
            case 0 -> random.nextInt(2 * LINE);
            case 1 -> PAGE - 1 - random.nextInt(2 * LINE);
            default -> random.nextInt(PAGE);
          };
      return pages.get(random.nextInt(pages.size())) + offset;
    }

    /** An address for a copy that overlaps one at {@code address}. */
    private long near(long address) {
      long moved = address + random.nextInt(4 * LINE + 1) - 2 * LINE;
      return lengthToEnd(moved) == 0 ? address : moved;
    }

    /** Bytes from {@code address} to the end of its region; none where there is no RAM. */
    private long lengthToEnd(long address) {
      return regions.stream()
          .filter(region -> region.contains(address))
          .mapToLong(region -> region.limit() - address)
          .findFirst()
          .orElse(0);
    }

    /** Mostly a few lines, sometimes across a page or two; never past the region. */
    private int lengthFrom(long address) {
      int wanted =
          switch (random.nextInt(20)) {
            case 0 -> PAGE + random.nextInt(PAGE);
            case 1 -> 0;
            case 2 -> LINE;
            default -> random.nextInt(4 * LINE);
          };
      return (int) Math.min(wanted, lengthToEnd(address));
    }

    private byte[] bytes(int length) {
      byte[] bytes = new byte[length];
      random.nextBytes(bytes);
      return bytes;
    }

    private byte[] read(long address, int length) {
      byte[] bytes = new byte[length];
      cpu.read(address, MemorySegment.ofArray(bytes), 0, length);
      return bytes;
    }

    private byte[] cpuOf(long address, int length) {
      byte[] bytes = new byte[length];
      slow.read(address, MemorySegment.ofArray(bytes), 0, length);
      return bytes;
    }

    private byte[] dramOf(long address, int length) {
      byte[] bytes = new byte[length];
      for (int i = 0; i < length; i++) {
        bytes[i] = slow.dramByte(address + i);
      }
      return bytes;
    }

    /** A bus master's access to CPU address {@code address}, shifted or not. */
    private byte[] device(long address, byte[] bytes, DmaAccess access) {
      int way = random.nextInt(2);
      BusMemory view = way == 0 ? bus : fast.physicalBusMemory();
      long at = way == 0 ? address + NonCoherentPlatform.DMA_OFFSET : address;
      DmaWindow window = new DmaWindow();
      assertTrue(view.resolve(at, access, window), this::where);
      assertTrue(window.remaining(at) >= bytes.length, this::where);
      if (access == DmaAccess.READ) {
        MemorySegment.copy(
            window.segment(), ValueLayout.JAVA_BYTE, window.offset(at), bytes, 0, bytes.length);
      } else {
        MemorySegment.copy(
            bytes, 0, window.segment(), ValueLayout.JAVA_BYTE, window.offset(at), bytes.length);
      }
      return bytes;
    }

    private void same(byte[] expected, byte[] seen) {
      assertArrayEquals(expected, seen, this::where);
    }

    private String where() {
      return name + " " + step;
    }
  }
}
