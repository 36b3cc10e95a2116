package dev.virtiolab.iommu.vtd;

import static dev.virtiolab.iommu.vtd.VtdLayout.READ;
import static dev.virtiolab.iommu.vtd.VtdLayout.WRITE;

import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.iommu.ram.RamBank;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.MappingGeneration;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * Memory as one requester reaches it through the unit, and what the unit has cached for it: its
 * context, and translations of pages. What is cached is used until it is invalidated, or until
 * another page needs its place; what is not present is not cached.
 *
 * <p>A window spans the pages around the address whose translations are cached and run on in
 * memory. A page that is not cached is looked up in the tables together with its neighbours in the
 * same table: a ring or a batch of buffers is one walk.
 *
 * <p>Lookups take no lock. Whatever changes the caches holds this object's monitor: a walk with the
 * entries that come of it, or an invalidation, so that no walk can put back what an invalidation
 * has just removed. The generation moves after an invalidation and is looked at before a lookup.
 */
final class RequesterMemory implements BusMemory {
  /** How far a run is followed to either side: what bounds the work of one resolution. */
  private static final int RUN_PAGES = 32;

  private static final int SLOT_BITS = 10;
  private static final int SLOTS = 1 << SLOT_BITS;
  private static final int LEAF_PAGES = 512;

  private static final VarHandle ENTRIES = MethodHandles.arrayElementVarHandle(long[].class);
  private static final VarHandle CONTEXT;
  private static final VarHandle HITS;
  private static final VarHandle MISSES;

  static {
    try {
      MethodHandles.Lookup own = MethodHandles.lookup();
      CONTEXT = own.findVarHandle(RequesterMemory.class, "context", long.class);
      HITS = own.findVarHandle(RequesterMemory.class, "hits", long.class);
      MISSES = own.findVarHandle(RequesterMemory.class, "misses", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final int sourceId;
  private final RemappingUnit unit;
  private final Ram ram;
  private final Tables tables;
  private final MappingGeneration generation;

  /**
   * The IOTLB, by the low bits of the page number: 0, or <code>
   * | page number's other bits 61:36 | frame 35:2 | W 1 | R 0 |</code>. All entries are of the
   * domain of the last context.
   */
  private final long[] entries = new long[SLOTS];

  /** As {@link Tables} packs it; 0 if none is cached. */
  private long context;

  private int domain;

  private final ReachWalk walk;

  // One device's thread at a time counts; any may look.
  private long hits;
  private long misses;

  RequesterMemory(
      int sourceId, RemappingUnit unit, Ram ram, Tables tables, MappingGeneration generation) {
    this.sourceId = sourceId;
    this.unit = unit;
    this.ram = ram;
    this.tables = tables;
    this.generation = generation;
    walk = new ReachWalk(ram);
  }

  int sourceId() {
    return sourceId;
  }

  @Override
  public MappingGeneration generation() {
    return generation;
  }

  @Override
  public boolean resolve(long address, DmaAccess access, DmaWindow window) {
    // First of all: what is invalidated or switched after this look moves it past this value.
    long at = generation.acquire();
    if (!unit.isTranslating()) {
      return untranslated(address, window, at);
    }
    if (Tables.isForInterrupts(address)) {
      return window.faulted(DmaFault.NO_MEMORY);
    }
    long wanted = access == DmaAccess.WRITE ? WRITE : READ;
    // Pairs with the release in fill(): who sees a context sees no entry of the domain before it.
    long now = (long) CONTEXT.getAcquire(this);
    if (now != 0 && !Tables.covers(now, address)) {
      return refuse(-FaultReason.ADDRESS_TOO_WIDE.code(), now, address, access, window);
    }
    long page = address >>> Ram.PAGE_SHIFT;
    long entry = now == 0 ? 0 : cached(page);
    if (entry != 0) {
      HITS.setOpaque(this, hits + 1);
    } else {
      MISSES.setOpaque(this, misses + 1);
      entry = fill(page, wanted);
      if (entry < 0) {
        return refuse(entry, context, address, access, window);
      }
    }
    if ((entry & wanted) == 0) {
      // The cached entry decides, even if the table permits more by now.
      FaultReason reason =
          wanted == WRITE ? FaultReason.WRITE_NOT_PERMITTED : FaultReason.READ_NOT_PERMITTED;
      return refuse(-(reason.code() | Tables.PAGE_PRESENT), now, address, access, window);
    }
    return resolved(page, entry, wanted, window, at);
  }

  /** As before anybody switched translation on: all RAM by its own address. */
  private boolean untranslated(long address, DmaWindow window, long at) {
    RamBank bank = ram.find(address);
    return bank == null
        ? window.faulted(DmaFault.NO_MEMORY)
        : window.resolved(bank.segment(), bank.base(), at);
  }

  private boolean resolved(long page, long entry, long wanted, DmaWindow window, long at) {
    long frame = frame(entry);
    RamBank bank = ram.find(frame << Ram.PAGE_SHIFT);
    if (bank == null) {
      return window.faulted(DmaFault.NO_MEMORY);
    }
    // Within one table, and within the bank.
    long inTable = page & (LEAF_PAGES - 1);
    long bankFirst = bank.base() >>> Ram.PAGE_SHIFT;
    long bankLimit = bank.limit() >>> Ram.PAGE_SHIFT;
    long back = Math.min(RUN_PAGES, Math.min(inTable, frame - bankFirst));
    long ahead = Math.min(RUN_PAGES, Math.min(LEAF_PAGES - inTable, bankLimit - frame));
    long first = 0;
    while (first > -back && runsOn(page, frame, first - 1, wanted)) {
      first--;
    }
    long limit = 1;
    while (limit < ahead && runsOn(page, frame, limit, wanted)) {
      limit++;
    }
    return window.resolved(
        bank.segment(),
        bank.offset(frame + first << Ram.PAGE_SHIFT),
        page + first << Ram.PAGE_SHIFT,
        limit - first << Ram.PAGE_SHIFT,
        at);
  }

  private boolean runsOn(long page, long frame, long distance, long wanted) {
    long entry = cached(page + distance);
    return (entry & wanted) != 0 && frame(entry) == frame + distance;
  }

  private boolean refuse(
      long refusal, long underContext, long address, DmaAccess access, DmaWindow window) {
    int why = (int) -refusal;
    FaultReason reason = FaultReason.of(why & 0xf);
    boolean silent = (why & Tables.NOT_RECORDED) != 0 || Tables.isSilent(underContext);
    DmaFault told = reason.dmaFault((why & Tables.PAGE_PRESENT) != 0);
    unit.fault(sourceId, address, access, reason, told, silent);
    return window.faulted(told);
  }

  // ---- the caches

  /** The cached translation of {@code page}, or 0. */
  private long cached(long page) {
    // Pairs with the releases in keep() and forget: an entry is used as it was put, or not at all.
    long entry = (long) ENTRIES.getAcquire(entries, (int) page & (SLOTS - 1));
    return entry >>> 36 == page >>> SLOT_BITS ? entry : 0;
  }

  private static long frame(long entry) {
    return entry >>> 2 & (1L << 34) - 1;
  }

  private void keep(long page, long address, long permissions) {
    long entry =
        page >>> SLOT_BITS << 36 | address >>> Ram.PAGE_SHIFT << 2 | permissions & (READ | WRITE);
    ENTRIES.setRelease(entries, (int) page & (SLOTS - 1), entry);
  }

  /** Walks for {@code page}, and caches it and its neighbours; negative if it is refused. */
  private synchronized long fill(long page, long wanted) {
    if (context == 0) {
      long fetched = tables.context(unit.rootTable(), sourceId);
      if (fetched < 0) {
        return fetched;
      }
      if (Tables.domain(fetched) != domain) {
        // Entries of another domain would not be found any more, so their places are free.
        Arrays.fill(entries, 0);
        domain = Tables.domain(fetched);
      }
      CONTEXT.setRelease(this, fetched);
    }
    if (!Tables.covers(context, page << Ram.PAGE_SHIFT)) {
      return -FaultReason.ADDRESS_TOO_WIDE.code();
    }
    long kept = cached(page);
    if (kept != 0) {
      return kept;
    }
    long leafTable = tables.leafTable(context, page, wanted);
    if (leafTable < 0) {
      return leafTable;
    }
    long found = tables.page(leafTable, page, wanted);
    if (found < 0) {
      return found;
    }
    keep(page, found, found);
    long inTable = page & (LEAF_PAGES - 1);
    keepNeighbours(leafTable, page, found, 1, Math.min(RUN_PAGES, LEAF_PAGES - inTable), wanted);
    keepNeighbours(leafTable, page, found, -1, Math.min(RUN_PAGES, inTable + 1), wanted);
    return cached(page);
  }

  private void keepNeighbours(
      long leafTable, long page, long found, int step, long count, long wanted) {
    long expected = found >>> Ram.PAGE_SHIFT;
    for (long i = 1; i < count; i++) {
      long neighbour = page + i * step;
      expected += step;
      if (Tables.isForInterrupts(neighbour << Ram.PAGE_SHIFT) || cached(neighbour) != 0) {
        return; // A cached one stays as it is, stale or not.
      }
      long entry = tables.page(leafTable, neighbour, wanted);
      if (entry < 0 || entry >>> Ram.PAGE_SHIFT != expected) {
        return;
      }
      keep(neighbour, entry, entry);
    }
  }

  /** The context goes; translations stay. */
  synchronized void forgetContext() {
    CONTEXT.setRelease(this, 0L);
  }

  synchronized void forgetContextOf(int ofDomain) {
    if (context != 0 && domain == ofDomain) {
      CONTEXT.setRelease(this, 0L);
    }
  }

  synchronized void forgetPages() {
    for (int i = 0; i < SLOTS; i++) {
      ENTRIES.setRelease(entries, i, 0L);
    }
  }

  synchronized void forgetPagesOf(int ofDomain) {
    if (domain == ofDomain) {
      forgetPages();
    }
  }

  /** Forgets {@code pages} pages from {@code first} on. */
  synchronized void forgetPagesOf(int ofDomain, long first, int pages) {
    if (domain != ofDomain) {
      return;
    }
    for (long page = first; page < first + pages; page++) {
      if (cached(page) != 0) {
        ENTRIES.setRelease(entries, (int) page & (SLOTS - 1), 0L);
      }
    }
  }

  // ---- how far it reaches

  /** As {@link VtdPlatform#reach} says; fills nothing, counts nothing. */
  synchronized Reach reach(ReachVisitor visitor) {
    if (!unit.isTranslating()) {
      return Reach.EVERYTHING;
    }
    long now = context == 0 ? tables.context(unit.rootTable(), sourceId) : context;
    if (now < 0) {
      return Reach.PAGES;
    }
    walk.begin(visitor);
    boolean all = walk.tables(now);
    // With a context of another domain the next access empties the IOTLB.
    if (Tables.domain(now) == domain) {
      reachCached(now);
    }
    walk.end();
    return all ? Reach.PAGES : Reach.TOO_MUCH;
  }

  private void reachCached(long underContext) {
    for (int i = 0; i < SLOTS; i++) {
      long entry = entries[i];
      long page = entry >>> 36 << SLOT_BITS | i;
      if (entry != 0 && Tables.covers(underContext, page << Ram.PAGE_SHIFT)) {
        walk.page(page, frame(entry), entry & (READ | WRITE));
      }
    }
  }

  // ---- what was counted

  long hits() {
    return (long) HITS.getOpaque(this);
  }

  long misses() {
    return (long) MISSES.getOpaque(this);
  }

  synchronized long entries() {
    return Arrays.stream(entries).filter(entry -> entry != 0).count();
  }
}
