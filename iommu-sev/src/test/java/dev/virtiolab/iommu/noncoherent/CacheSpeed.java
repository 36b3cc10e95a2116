package dev.virtiolab.iommu.noncoherent;

import dev.virtiolab.iommu.pc.PcPlatform;
import dev.virtiolab.pci.cpu.CpuCache;
import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.pci.memory.PhysicalMemory;
import java.util.Locale;
import java.util.Optional;

/**
 * How fast memory is through the cache, beside memory without one: run by hand. Each line is work
 * as a network driver does it, in nanoseconds for one operation, the best of several runs.
 */
final class CacheSpeed {
  private static final int RUNS = 12;
  private static final int OPERATIONS = 2_000_000;
  private static final int FRAMES = 64;
  private static final int STRIDE = 2048;
  private static final int LARGEST = 1536;
  private static final int SMALL = 64;
  private static final long RING = 0x1_0020_0000L;
  private static final long POOL = 0x1_0010_0000L;

  private interface Work {
    void run(CpuMemory cpu, Optional<CpuCache> cache, int times);
  }

  private CacheSpeed() {}

  public static void main(String[] arguments) {
    try (PhysicalMemory plain = PhysicalMemory.allocate(16 << 20, 16 << 20);
        PhysicalMemory cached = PhysicalMemory.allocate(16 << 20, 16 << 20);
        PcPlatform pc = new PcPlatform(plain);
        NonCoherentPlatform noncoherent = new NonCoherentPlatform(cached)) {
      noncoherent.cpuCache().orElseThrow().setUncached(RING, 4);
      compare("ring entry, uncached", pc, noncoherent, CacheSpeed::ring);
      compare("header of 12 bytes, cached", pc, noncoherent, CacheSpeed::header);
      compare("copy of 64 bytes", pc, noncoherent, (c, k, n) -> copy(c, n, SMALL));
      compare("copy of 1536 bytes", pc, noncoherent, (c, k, n) -> copy(c, n, LARGEST));
      compare("write 64 for the device", pc, noncoherent, (c, k, n) -> give(c, k, n, SMALL));
      compare("write 1536 for the device", pc, noncoherent, (c, k, n) -> give(c, k, n, LARGEST));
      compare("read 64 of the device", pc, noncoherent, (c, k, n) -> take(c, k, n, SMALL));
      compare("read 1536 of the device", pc, noncoherent, (c, k, n) -> take(c, k, n, LARGEST));
    }
  }

  private static void compare(String what, PcPlatform pc, NonCoherentPlatform cached, Work work) {
    double plain = Double.MAX_VALUE;
    double through = Double.MAX_VALUE;
    for (int run = 0; run < RUNS; run++) {
      plain = Math.min(plain, nanos(work, pc.cpuMemory(), Optional.empty()));
      through = Math.min(through, nanos(work, cached.cpuMemory(), cached.cpuCache()));
    }
    System.out.printf(
        Locale.ROOT,
        "%-28s pc %6.1f ns   noncoherent %6.1f ns   x %.2f%n",
        what,
        plain,
        through,
        through / plain);
  }

  private static double nanos(Work work, CpuMemory cpu, Optional<CpuCache> cache) {
    long start = System.nanoTime();
    work.run(cpu, cache, OPERATIONS);
    return (double) (System.nanoTime() - start) / OPERATIONS;
  }

  private static void ring(CpuMemory cpu, Optional<CpuCache> cache, int times) {
    for (int i = 0; i < times; i++) {
      long descriptor = RING + 16 * (i & 255);
      cpu.putLong(descriptor, i);
      cpu.putInt(descriptor + 8, i);
      cpu.putShortRelease(RING + 0x2002, (short) i);
      if (cpu.getShortAcquire(RING + 0x2002) != (short) i) {
        throw new AssertionError();
      }
    }
  }

  private static void header(CpuMemory cpu, Optional<CpuCache> cache, int times) {
    for (int i = 0; i < times; i++) {
      long at = POOL + 64 * (i & 63);
      cpu.putLong(at, i);
      cpu.putInt(at + 8, i);
      if (cpu.getLong(at) != i) {
        throw new AssertionError();
      }
    }
  }

  private static void copy(CpuMemory cpu, int times, int bytes) {
    for (int i = 0; i < times; i++) {
      long at = POOL + (long) STRIDE * (i & FRAMES - 1);
      cpu.copy(at, at + (long) STRIDE * FRAMES, bytes);
    }
  }

  private static void give(CpuMemory cpu, Optional<CpuCache> cache, int times, int bytes) {
    for (int i = 0; i < times; i++) {
      long at = POOL + (long) STRIDE * (i & FRAMES - 1);
      cpu.copy(at, at + (long) STRIDE * FRAMES, bytes);
      if (cache.isPresent()) {
        cache.get().writeBack(at + (long) STRIDE * FRAMES, bytes);
      }
    }
  }

  private static void take(CpuMemory cpu, Optional<CpuCache> cache, int times, int bytes) {
    for (int i = 0; i < times; i++) {
      long at = POOL + (long) STRIDE * (i & FRAMES - 1);
      if (cache.isPresent()) {
        cache.get().invalidate(at, bytes);
      }
      cpu.copy(at, at + (long) STRIDE * FRAMES, bytes);
    }
  }
}
