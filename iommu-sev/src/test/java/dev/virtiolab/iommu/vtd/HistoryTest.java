package dev.virtiolab.iommu.vtd;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.RamRegion;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * Random histories of entries that change, invalidations and accesses. What an access may meet is
 * what the entry holds, or anything that it held since it was last invalidated, and nothing older;
 * and a window that is kept may not outlive an invalidation of its pages.
 *
 * <p>{@code -Dvirtiolab.seed=N} replays a run.
 */
class HistoryTest {
  private static final int HISTORIES = 60;
  private static final int STEPS = 3000;
  private static final int PAGES = 24;

  /** So far apart that two of the pages share a place in the IOTLB. */
  private static final long FIRST = 0x3f8;

  private static final long SECOND = FIRST + 1024;
  private static final int[] SOURCES = {VtdBench.NIC, VtdBench.OTHER};

  private final long seed = Long.getLong("virtiolab.seed", System.nanoTime());
  private final SplittableRandom random = new SplittableRandom(seed);

  private final long[][] leaves = new long[SOURCES.length][PAGES];
  private final List<List<Set<Long>>> possible = new ArrayList<>();
  private final DmaWindow[][] windows = new DmaWindow[SOURCES.length][4];
  private final DmaAccess[][] windowAccess = new DmaAccess[SOURCES.length][4];
  private long stale;
  private VtdBench bench;

  @Test
  void nothingOlderThanTheLastInvalidationIsMet() {
    System.out.println("HistoryTest: -Dvirtiolab.seed=" + seed);
    for (int history = 0; history < HISTORIES; history++) {
      try (VtdBench fresh = new VtdBench()) {
        bench = fresh;
        begin();
        for (int step = 0; step < STEPS; step++) {
          step();
        }
      }
    }
    assertTrue(stale > HISTORIES, "stale entries met: " + stale);
  }

  private static long page(int index) {
    return index < PAGES / 2 ? FIRST + index : SECOND + index - PAGES / 2;
  }

  private void begin() {
    bench.translate();
    possible.clear();
    for (int source = 0; source < SOURCES.length; source++) {
      possible.add(new ArrayList<>());
      long top = bench.context(SOURCES[source], source + 1, 3);
      for (int i = 0; i < PAGES; i++) {
        leaves[source][i] = bench.leaf(top, 3, page(i) << 12);
        possible.getLast().add(new HashSet<>(Set.of(0L)));
      }
      for (int i = 0; i < windows[source].length; i++) {
        windows[source][i] = new DmaWindow();
        windowAccess[source][i] = DmaAccess.READ;
      }
    }
  }

  private void step() {
    int source = random.nextInt(SOURCES.length);
    int index = random.nextInt(PAGES);
    switch (random.nextInt(8)) {
      case 0, 1, 2 -> change(source, index);
      case 3 -> invalidate(source, index);
      default -> access(source, index);
    }
    check();
  }

  private void change(int source, int index) {
    long value = random.nextInt(4) == 0 ? 0 : 0x8_0000 + 0x1000L * index | random.nextInt(1, 4);
    if (random.nextInt(3) == 0 && value != 0) {
      value += 0x1_0000;
    }
    bench.cpu.putLong(leaves[source][index], value);
    possible.get(source).get(index).add(value);
  }

  private void invalidate(int source, int index) {
    switch (random.nextInt(8)) {
      case 0 -> {
        bench.forgetEverything();
        for (int each = 0; each < SOURCES.length; each++) {
          forget(each, 0, Long.MAX_VALUE);
        }
      }
      case 1 -> {
        bench.forgetDomain(source + 1);
        forget(source, 0, Long.MAX_VALUE);
      }
      case 2 -> bench.forgetContexts();
      default -> {
        int mask = random.nextInt(5);
        bench.forgetPages(source + 1, page(index) << 12, mask);
        long first = page(index) >>> mask << mask;
        forget(source, first, first + (1L << mask));
      }
    }
  }

  private void forget(int source, long first, long limit) {
    for (int i = 0; i < PAGES; i++) {
      if (page(i) >= first && page(i) < limit) {
        Set<Long> values = possible.get(source).get(i);
        values.clear();
        values.add(bench.cpu.getLong(leaves[source][i]));
      }
    }
  }

  private void access(int source, int index) {
    DmaAccess access = random.nextBoolean() ? DmaAccess.READ : DmaAccess.WRITE;
    int which = random.nextInt(windows[source].length);
    DmaWindow window = windows[source][which];
    windowAccess[source][which] = access;
    long bit = 1L << access.ordinal();
    boolean resolved = bench.bus(SOURCES[source]).resolve(page(index) << 12, access, window);
    Set<Long> values = possible.get(source).get(index);
    assertTrue(
        values.stream().anyMatch(value -> (value & bit) != 0 == resolved),
        () -> "seed=%d page=%x %s %s %s".formatted(seed, page(index), access, resolved, values));
    long now = bench.cpu.getLong(leaves[source][index]);
    stale += resolved && (now & bit) == 0 ? 1 : 0;
  }

  /** Every window that still holds shows what it may. */
  private void check() {
    long generation = bench.memory.generation().acquire();
    RamRegion region = bench.memory.regions().getFirst();
    for (int source = 0; source < SOURCES.length; source++) {
      for (int which = 0; which < windows[source].length; which++) {
        DmaWindow window = windows[source][which];
        if (!window.covers(window.base(), 1, generation)) {
          continue;
        }
        long bit = 1L << windowAccess[source][which].ordinal();
        int pages = 0;
        for (int i = 0; i < PAGES; i++) {
          if (window.covers(page(i) << 12, 4096, generation)) {
            pages++;
            long place =
                window.segment().address()
                    + window.offset(page(i) << 12)
                    - region.segment().address();
            Set<Long> values = possible.get(source).get(i);
            assertTrue(
                values.stream().anyMatch(value -> (value & bit) != 0 && (value & -4096) == place),
                () -> "seed=%d place=%x %s".formatted(seed, place, values));
          }
        }
        assertTrue(pages * 4096L == window.length(), "a window on what was never mapped");
      }
    }
  }
}
