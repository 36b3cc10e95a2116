package dev.virtiolab.iommu.vtd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.RamRegion;
import dev.virtiolab.posix.fixture.Allocation;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * How far a requester reaches, compared with accesses page by page.
 *
 * <p>{@code -Dvirtiolab.seed=N} replays a run.
 */
class ReachTest {
  private static final int HISTORIES = 200;
  private static final int STEPS = 200;

  /** Few enough that no two share a place in the IOTLB. */
  private static final int PAGES = 48;

  private static final int DOMAINS = 3;
  private static final int SOURCE = VtdBench.NIC;
  private static final long TO = 0x8_0000;

  private final long seed = Long.getLong("virtiolab.seed", System.nanoTime());
  private final SplittableRandom random = new SplittableRandom(seed);
  private VtdBench bench = new VtdBench();

  @AfterEach
  void close() {
    bench.close();
  }

  /** A page that may be accessed, and where the access ends. */
  private record Met(long busPage, long memoryPage, DmaAccess access) {}

  private Set<Met> reached(int source) {
    Set<Met> met = new HashSet<>();
    Reach reach =
        bench.platform.reach(
            source,
            (busPage, memoryPage, pages, readable, writable) -> {
              assertTrue(pages > 0 && (readable || writable));
              for (long i = 0; i < pages; i++) {
                if (readable) {
                  met.add(new Met(busPage + i, memoryPage + i, DmaAccess.READ));
                }
                if (writable) {
                  met.add(new Met(busPage + i, memoryPage + i, DmaAccess.WRITE));
                }
              }
            });
    assertEquals(Reach.PAGES, reach);
    return met;
  }

  /** Puts what an access to {@code page} meets into {@code met}. */
  private void access(int source, long page, DmaAccess access, Set<Met> met) {
    DmaWindow window = bench.window;
    if (bench.bus(source).resolve(page << 12, access, window)) {
      met.add(new Met(page, memoryPage(window, page << 12), access));
    }
  }

  private long memoryPage(DmaWindow window, long address) {
    long at = window.segment().address() + window.offset(address);
    for (RamRegion region : bench.memory.regions()) {
      long offset = at - region.segment().address();
      if (offset >= 0 && offset < region.segment().byteSize()) {
        return region.base() + offset >>> 12;
      }
    }
    throw new AssertionError("a window outside of RAM");
  }

  // ---- one thing at a time

  @Test
  void untranslatedItIsEverything() {
    assertEquals(Reach.EVERYTHING, bench.platform.reach(SOURCE, this::nothing));
    bench.translate();
    assertEquals(Set.of(), reached(SOURCE));
    bench.switchOff();
    assertEquals(Reach.EVERYTHING, bench.platform.reach(SOURCE, this::nothing));
  }

  private void nothing(long busPage, long memoryPage, long pages, boolean read, boolean write) {
    throw new AssertionError("told of page " + busPage);
  }

  @Test
  void anEntryThatWasUsedIsInReachUntilItIsInvalidated() {
    bench.translate();
    long top = bench.context(SOURCE, 1, 3);
    bench.map(top, 3, 0x5000, TO, 3);
    bench.map(top, 3, 0x9000, TO, 1);
    bench.reads(SOURCE, 0x5000);
    Set<Met> used =
        Set.of(new Met(5, TO >>> 12, DmaAccess.READ), new Met(5, TO >>> 12, DmaAccess.WRITE));
    bench.map(top, 3, 0x5000, 0, 0);
    bench.map(top, 3, 0x9000, 0, 0); // never used, so never cached
    assertEquals(used, reached(SOURCE));
    assertEquals(Set.of(), reached(VtdBench.OTHER));
    bench.forgetPages(1, 0x5000, 0);
    assertEquals(Set.of(), reached(SOURCE));
  }

  @Test
  void aContextThatIsCachedLeadsToItsTablesUntilItIsForgotten() {
    bench.translate();
    long top = bench.context(SOURCE, 1, 3);
    bench.map(top, 3, 0x5000, TO, 1);
    bench.map(top, 3, 0x6000, TO + 0x7000, 1);
    bench.reads(SOURCE, 0x5000);
    bench.cpu.putLong(bench.contextEntry(SOURCE), 0);
    assertEquals(
        Set.of(new Met(5, TO >>> 12, DmaAccess.READ), new Met(6, (TO >>> 12) + 7, DmaAccess.READ)),
        reached(SOURCE));
    bench.forgetContexts();
    assertEquals(Set.of(), reached(SOURCE));
  }

  @Test
  void translationsOfAnotherDomainAreInReachOnlyIfTheContextIsOfIt() {
    bench.translate();
    long top = bench.context(SOURCE, 1, 3);
    bench.map(top, 3, 0x5000, TO, 1);
    bench.reads(SOURCE, 0x5000);
    bench.map(top, 3, 0x5000, 0, 0);
    Set<Met> used = Set.of(new Met(5, TO >>> 12, DmaAccess.READ));
    bench.cpu.putLong(bench.contextEntry(SOURCE) + 8, 2 << 8 | 1);
    assertEquals(used, reached(SOURCE)); // the cached context is of the first still
    bench.forgetContexts();
    assertEquals(Set.of(), reached(SOURCE));
    bench.cpu.putLong(bench.contextEntry(SOURCE) + 8, 1 << 8 | 1);
    assertEquals(used, reached(SOURCE)); // nobody has looked at the tables in between
  }

  @Test
  void pagesThatLieInARowAreOneRunAcrossTables() {
    bench.translate();
    long top = bench.context(SOURCE, 1, 4);
    for (int i = 0; i < 8; i++) {
      bench.map(top, 4, 0x1f_c000 + 0x1000L * i, TO + 0x1000L * i, 3);
    }
    bench.map(top, 4, 0x20_4000, TO + 0x8000, 1);
    List<String> runs = new ArrayList<>();
    bench.platform.reach(
        SOURCE,
        (busPage, memoryPage, pages, readable, writable) ->
            runs.add("%x %x %d %s".formatted(busPage, memoryPage, pages, writable)));
    assertEquals(List.of("1fc 80 8 true", "204 88 1 false"), runs);
  }

  @Test
  void lookingAllocatesNothing() {
    bench.translate();
    long top = bench.context(SOURCE, 1, 4);
    for (int i = 0; i < 64; i++) {
      bench.map(top, 4, 0x1_0000_0000L + 0x3000L * i, TO, 3);
    }
    bench.reads(SOURCE, 0x1_0000_0000L);
    long[] pagesTold = new long[1];
    ReachVisitor visitor =
        (busPage, memoryPage, pages, readable, writable) -> pagesTold[0] += pages;
    int looks = 2_000;
    long bytes =
        Allocation.bytesOf(
            20,
            () -> {
              for (int i = 0; i < looks; i++) {
                bench.platform.reach(SOURCE, visitor);
              }
            });
    assertEquals(21L * looks * (64 + 1), pagesTold[0]);
    assertTrue(bytes < looks, "bytes=" + bytes + " for looks=" + looks);
  }

  // ---- random histories

  @Test
  void itIsWhatAccessesMeetWithTheCachesAsTheyAreAndWithNone() {
    System.out.println("ReachTest: -Dvirtiolab.seed=" + seed);
    long compared = 0;
    long stale = 0;
    for (int history = 0; history < HISTORIES; history++) {
      try (VtdBench fresh = new VtdBench()) {
        bench.close();
        bench = fresh;
        bench.translate();
        World world = new World();
        for (int step = random.nextInt(1, STEPS); step > 0; step--) {
          world.step();
        }
        if (random.nextInt(3) == 0) {
          world.context();
          bench.forgetContexts();
        }
        VtdCounters before = bench.platform.counters();
        long generation = bench.memory.generation().acquire();
        Set<Met> reached = reached(SOURCE);
        assertEquals(reached, reached(SOURCE), where());
        assertEquals(before, bench.platform.counters(), where());
        assertEquals(generation, bench.memory.generation().acquire());
        Set<Met> met = new HashSet<>();
        world.accessAll(met);
        int withCaches = met.size();
        bench.forgetEverything();
        Set<Met> withoutCaches = new HashSet<>();
        world.accessAll(withoutCaches);
        stale += withoutCaches.containsAll(met) ? 0 : 1;
        met.addAll(withoutCaches);
        assertSame(met, reached);
        compared += withCaches;
      }
      bench = new VtdBench();
    }
    assertTrue(compared > HISTORIES, "pages met: " + compared);
    assertTrue(stale > HISTORIES / 20, "histories with stale entries: " + stale);
  }

  /** Tables of one requester, and a guest that changes them with and without telling the unit. */
  private final class World {
    /** Around a table's end, the interrupts' addresses, and what 3 and 4 levels reach. */
    private static final long[] FIRST = {
      0x1f0, 0xfedf0, 0xfeee8, (1L << 27) - PAGES / 2, (1L << 36) - PAGES
    };

    final long first = FIRST[random.nextInt(FIRST.length)];
    final long[] tops = new long[2];
    final long[][] leaves = new long[tops.length][PAGES];
    final long nowhere = bench.table();
    final List<Long> tablesAbove = new ArrayList<>();

    World() {
      for (int top = 0; top < tops.length; top++) {
        int levels = 3 + top;
        tops[top] = bench.table();
        for (int i = 0; i < PAGES; i++) {
          long address = first + i << 12;
          if (address >>> 12 + 9 * levels != 0) {
            leaves[top][i] = nowhere + 8 * i; // too wide for so few levels
            continue;
          }
          leaves[top][i] = bench.leaf(tops[top], levels, address);
          long table = tops[top];
          for (int level = levels; level > 1; level--) {
            long at = table + (address >>> 12 + 9 * (level - 1) & 0x1ff) * 8;
            tablesAbove.add(at);
            table = bench.cpu.getLong(at) & -4096;
          }
        }
      }
      context();
    }

    /** Another domain, other tables, or none. */
    void context() {
      long entry = bench.contextEntry(SOURCE);
      int top = random.nextInt(tops.length);
      bench.cpu.putLong(entry + 8, (long) random.nextInt(DOMAINS) << 8 | 1 + top);
      bench.cpu.putLong(entry, random.nextInt(8) == 0 ? 0 : tops[top] | 1);
    }

    void step() {
      int i = random.nextInt(PAGES);
      switch (random.nextInt(40)) {
        case 0 -> context();
        case 1 -> bench.forgetContexts();
        case 2 -> bench.forgetDomain(random.nextInt(DOMAINS));
        case 3, 4 -> bench.forgetPages(random.nextInt(DOMAINS), first + i << 12, random.nextInt(6));
        case 5 -> above();
        default -> {
          if (random.nextInt(3) == 0) {
            access(SOURCE, first + i, anyAccess(), new HashSet<>());
          } else {
            map(i);
          }
        }
      }
    }

    private void above() {
      long at = tablesAbove.get(random.nextInt(tablesAbove.size()));
      long table = bench.cpu.getLong(at) & -4096;
      int permissions = random.nextInt(4) == 0 ? random.nextInt(4) : 3;
      bench.cpu.putLong(at, table & 0xffff_ffff_ffffL | permissions | reserved());
    }

    private void map(int i) {
      long to =
          switch (random.nextInt(12)) {
            case 0 -> 0xfee0_0000L + 0x1000L * random.nextInt(256);
            case 1 -> 0x7000_0000L; // no RAM
            case 2 -> VtdBench.HIGH + 0x1000L * random.nextInt(256);
            case 3 -> 0xf_f000L; // the last page of low RAM
            default -> TO + 0x1000L * i;
          };
      int permissions = random.nextInt(3) == 0 ? random.nextInt(4) : 3;
      bench.cpu.putLong(
          leaves[random.nextInt(tops.length)][i],
          random.nextInt(4) == 0 ? 0 : to | permissions | reserved());
    }

    private long reserved() {
      return random.nextInt(12) == 0 ? 1L << random.nextInt(2, 12) : 0;
    }

    private DmaAccess anyAccess() {
      return random.nextBoolean() ? DmaAccess.READ : DmaAccess.WRITE;
    }

    void accessAll(Set<Met> met) {
      for (DmaAccess access : DmaAccess.values()) {
        for (int i = 0; i < PAGES; i++) {
          access(SOURCE, first + i, access, met);
        }
      }
    }
  }

  private void assertSame(Set<Met> expected, Set<Met> reached) {
    Set<Met> missing = new HashSet<>(expected);
    missing.removeAll(reached);
    Set<Met> tooMuch = new HashSet<>(reached);
    tooMuch.removeAll(expected);
    assertEquals("missing=[] too much=[]", "missing=" + missing + " too much=" + tooMuch, where());
  }

  private String where() {
    return "seed=" + seed;
  }

  // ---- hostile tables

  /** One table that holds itself 512 times in 4 levels: a walk of all of it would not end. */
  @Test
  void tablesThatHoldEachOtherAreGivenUpOn() {
    bench.translate();
    long top = bench.context(SOURCE, 1, 4);
    for (int i = 0; i < 512; i++) {
      bench.cpu.putLong(top + 8 * i, top | 3);
    }
    long entriesOfAsManyTablesAsPages = bench.memory.bytes() / VtdBench.PAGE * 512;
    long[] runs = new long[1];
    Reach reach =
        bench.platform.reach(
            SOURCE,
            (busPage, memoryPage, pages, readable, writable) ->
                assertTrue(++runs[0] <= entriesOfAsManyTablesAsPages));
    assertEquals(Reach.TOO_MUCH, reach);
  }

  @Test
  void whateverTheTablesAreItIsWhatThePlainWalkSays() {
    System.out.println("ReachTest: -Dvirtiolab.seed=" + seed);
    long pages = 0;
    for (int world = 0; world < HISTORIES; world++) {
      bench.close();
      bench = new VtdBench();
      bench.translate();
      int levels = random.nextInt(3, 5);
      long[] pool = new long[5];
      pool[0] = bench.context(SOURCE, 1, levels);
      for (int i = 1; i < pool.length; i++) {
        pool[i] = bench.table();
      }
      int[] used = new int[4];
      for (int i = 0; i < used.length; i++) {
        used[i] = random.nextInt(512);
      }
      for (long table : pool) {
        for (int index : used) {
          bench.cpu.putLong(table + 8 * index, noise(pool));
        }
      }
      Set<Met> expected = new HashSet<>();
      for (int path = 0; path < 1 << 2 * levels; path++) {
        long page = 0;
        for (int level = 0; level < levels; level++) {
          page |= (long) used[path >>> 2 * level & 3] << 9 * level;
        }
        expect(page, expected);
      }
      assertSame(expected, reached(SOURCE));
      pages += expected.size();
    }
    assertTrue(pages > HISTORIES, "pages: " + pages);
  }

  private long noise(long[] pool) {
    long good = pool[random.nextInt(pool.length)] | 3;
    return switch (random.nextInt(8)) {
      case 0 -> random.nextLong();
      case 1 -> good & ~(1L << random.nextInt(2));
      case 2 -> good | 1L << random.nextInt(2, 12);
      case 3 -> good | 1L << random.nextInt(21, 64);
      default -> good;
    };
  }

  private void expect(long page, Set<Met> expected) {
    if (page >>> 8 == 0xfee) {
      return;
    }
    SlowWalk walk = new SlowWalk(bench);
    for (DmaAccess access : DmaAccess.values()) {
      long to = walk.outcome(VtdBench.ROOT, SOURCE, page << 12, access.ordinal()) - SlowWalk.PAGES;
      if (to >= 0 && bench.memory.regionAt(to << 12) != null) {
        expected.add(new Met(page, to, access));
      }
    }
  }
}
