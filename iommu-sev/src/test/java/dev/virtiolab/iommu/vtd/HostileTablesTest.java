package dev.virtiolab.iommu.vtd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.RamRegion;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * Tables of noise. Whatever is in them, an access goes where a plain walk says, or is refused for
 * the reason that it says; and all of a window is where its pages' own walks lead.
 *
 * <p>{@code -Dvirtiolab.seed=N} replays a run.
 */
class HostileTablesTest {
  private static final int WORLDS = 100;
  private static final int ACCESSES = 400;
  private static final int POOL = 6;
  private static final long NOWHERE = 0x7000_0000L;

  private final long seed = Long.getLong("virtiolab.seed", System.nanoTime());
  private final SplittableRandom random = new SplittableRandom(seed);

  @Test
  void anAccessGoesWhereThePlainWalkGoesOrNowhere() {
    System.out.println("HostileTablesTest: -Dvirtiolab.seed=" + seed);
    long[] seen = new long[16];
    long reached = 0;
    for (int world = 0; world < WORLDS; world++) {
      try (VtdBench bench = new VtdBench()) {
        fill(bench);
        bench.write64(0x20, random.nextInt(10) == 0 ? wild() : pool(0));
        bench.write32(0x18, 3L << 30);
        for (int i = 0; i < ACCESSES; i++) {
          long outcome = access(bench, bench.read64(0x20));
          if (outcome < 16) {
            seen[(int) outcome]++;
          } else {
            reached++;
          }
        }
      }
    }
    for (int reason = 1; reason <= 0xc; reason++) { // 0xe is for FaultsTest
      assertTrue(seen[reason] > 0, "never seen: reason " + reason);
    }
    assertTrue(reached > WORLDS, "pages reached: " + reached);
  }

  /** A root table, two tables of contexts and the rest page tables, with noise in all of them. */
  private void fill(VtdBench bench) {
    int order = random.nextInt(1, 60);
    for (int i = 0; i < POOL; i++) {
      for (int entry = 0; entry < 512; entry++) {
        boolean upper = entry % 2 == 1;
        long good =
            switch (i) {
              case 0 ->
                  upper ? 0 : random.nextInt(9) == 0 ? NOWHERE | 1 : pool(entry % 4 / 2 + 1) | 1;
              case 1, 2 -> upper ? 1 << 8 | random.nextInt(1, 3) : pool(random.nextInt(3, 6)) | 1;
              default -> pool(random.nextInt(3, 6)) | random.nextInt(8) % 4;
            };
        bench.cpu.putLong(pool(i) + 8 * entry, random.nextInt(order) == 0 ? noise() : good);
      }
    }
  }

  private long noise() {
    return switch (random.nextInt(6)) {
      case 0 -> 0;
      case 1 -> random.nextLong();
      case 2 -> wild() | random.nextInt(4);
      case 3 -> pool(random.nextInt(POOL)) | random.nextInt(0x1000);
      case 4 -> pool(random.nextInt(POOL)) | 3 | 1L << random.nextInt(64);
      default -> random.nextInt(0x1000);
    };
  }

  private static long pool(int i) {
    return (i % 2 == 0 ? 0x4_0000 : VtdBench.HIGH + 0x4_0000) + i / 2 * 0x1000L;
  }

  private long wild() {
    return random.nextLong() >>> random.nextInt(16, 52) & -4096;
  }

  private long access(VtdBench bench, long root) {
    // Few buses and devices, so that table entries meet.
    int source = random.nextInt(4) << 8 | random.nextInt(4);
    long address = random.nextLong() >>> random.nextInt(10, 40);
    DmaAccess access = random.nextBoolean() ? DmaAccess.READ : DmaAccess.WRITE;
    SlowWalk walk = new SlowWalk(bench);
    BusMemory bus = bench.bus(source);
    bench.forgetContexts();
    bench.forgetEverything();
    long expected = walk.outcome(root, source, address, access.ordinal());
    String what =
        "seed=%d source=%x address=%x %s expected=%x"
            .formatted(seed, source, address, access, expected);
    if (address >>> 20 == 0xfee) {
      return 0;
    }
    long faults = bench.platform.counters().faults();
    DmaWindow window = bench.window;
    boolean resolved = bus.resolve(address, access, window);
    if (expected < SlowWalk.PAGES) {
      assertFalse(resolved, what);
      assertEquals(faults + 1, bench.platform.counters().faults(), what);
      if (bench.platform.faults().size() < FaultLog.EVIDENCE) {
        assertEquals(expected, bench.platform.faults().getLast().reason().code(), what);
      }
      return expected;
    }
    RamRegion region = bench.memory.regionAt(expected - SlowWalk.PAGES << 12);
    assertEquals(region != null, resolved, what);
    if (region == null) {
      assertEquals(DmaFault.NO_MEMORY, window.fault());
      return 0;
    }
    for (long at = window.base(); at < window.base() + window.length(); at += 4096) {
      long place = window.segment().address() + window.offset(at) - region.segment().address();
      assertEquals(
          walk.outcome(root, source, at, access.ordinal()) - SlowWalk.PAGES,
          region.base() + place >>> 12,
          what);
    }
    return expected;
  }
}
