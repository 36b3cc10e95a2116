package dev.virtiolab.firmware.iommu;

import static dev.virtiolab.firmware.iommu.VTdLayout.ADDRESS;
import static dev.virtiolab.firmware.iommu.VTdLayout.CONTEXT_DOMAIN_SHIFT;
import static dev.virtiolab.firmware.iommu.VTdLayout.ENTRY_BYTES;
import static dev.virtiolab.firmware.iommu.VTdLayout.INDEX_BITS;
import static dev.virtiolab.firmware.iommu.VTdLayout.INDEX_MASK;
import static dev.virtiolab.firmware.iommu.VTdLayout.MAX_USERS;
import static dev.virtiolab.firmware.iommu.VTdLayout.PRESENT;
import static dev.virtiolab.firmware.iommu.VTdLayout.READ;
import static dev.virtiolab.firmware.iommu.VTdLayout.READERS_SHIFT;
import static dev.virtiolab.firmware.iommu.VTdLayout.WRITE;
import static dev.virtiolab.firmware.iommu.VTdLayout.WRITERS_SHIFT;

import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IoMmu;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.pci.cpu.CpuMemory;

/**
 * Root table, context tables and page tables in guest memory: edk2-platforms'
 * IntelVTdDxe/TranslationTable.c.
 *
 * <pre>
 *   root table          context table of a bus        page tables of a device
 *   +----------+        +-----------------+           +-----+     +-----+     +------+
 *   | bus 0    | -----&gt; | 00.0            |           |     | --&gt; |     | --&gt; | page |
 *   | bus 1    |        | 04.0  domain 1  | --------&gt; +-----+     +-----+     +------+
 *   +----------+        +-----------------+            3 or 4 levels, as RAM needs
 * </pre>
 *
 * <p>A page is mapped to itself, for one device at a time. Several mappings may need one page: its
 * entry counts them, readers and writers apart, in the ten bits that the unit leaves to software.
 *
 * <p>Tables are made when they are first needed and stay. They are reserved memory: who keeps
 * translation on after ExitBootServices must not find them given to somebody else.
 */
final class VTdTables {
  /** From {@link #take} and what needs a table: there is no memory. */
  static final long NONE = -1;

  private final BootServices bootServices;
  private final CpuMemory memory;
  private final int levels;
  private final LongRef pageRef = new LongRef();
  private long rootTable;

  /**
   * @param levels of page tables: 3 or 4
   */
  VTdTables(BootServices bootServices, CpuMemory memory, int levels) {
    this.bootServices = bootServices;
    this.memory = memory;
    this.levels = levels;
  }

  /** The levels that page tables need to reach {@code limit}. */
  static int levelsFor(long limit) {
    return limit <= 1L << PageEncMask.PAGE_SHIFT + 3 * INDEX_BITS ? 3 : 4;
  }

  /** Makes a root table in which no device has a context. */
  EfiStatus open() {
    rootTable = table();
    return rootTable == NONE ? EfiStatus.OUT_OF_RESOURCES : EfiStatus.SUCCESS;
  }

  long rootTable() {
    return rootTable;
  }

  /** A page of zeros, or {@link #NONE}. */
  private long table() {
    EfiStatus status =
        bootServices.allocatePages(AllocateType.ANY_PAGES, MemoryType.RESERVED, 1, pageRef);
    if (status.isError()) {
      return NONE;
    }
    memory.fill(pageRef.value, PageEncMask.PAGE_BYTES, (byte) 0);
    return pageRef.value;
  }

  /**
   * Gives {@code device} a context with page tables in which nothing is mapped. A context that is
   * not present is not cached, so the unit need not be told.
   */
  EfiStatus addContext(VTdDevice device) {
    long rootEntry = rootTable + (long) (device.sourceId >>> 8) * ENTRY_BYTES;
    long contextTable = memory.getLong(rootEntry) & ADDRESS;
    if (contextTable == 0) {
      contextTable = table();
      if (contextTable == NONE) {
        return EfiStatus.OUT_OF_RESOURCES;
      }
      memory.putLong(rootEntry, contextTable | PRESENT);
    }
    long pageTable = table();
    if (pageTable == NONE) {
      return EfiStatus.OUT_OF_RESOURCES;
    }
    long contextEntry = contextTable + (long) (device.sourceId & 0xff) * ENTRY_BYTES;
    long width = levels - 2L; // AW: 1 for three levels, 2 for four
    memory.putLong(contextEntry + Long.BYTES, (long) device.domain << CONTEXT_DOMAIN_SHIFT | width);
    memory.putLong(contextEntry, pageTable | PRESENT);
    device.pageTable = pageTable;
    return EfiStatus.SUCCESS;
  }

  // ---- pages

  /** Where the entry of {@code page} is, or {@link #NONE} where a table is missing. */
  private long entryAddress(VTdDevice device, long page, boolean make) {
    long block = page >>> INDEX_BITS;
    if (device.leafTable == 0 || device.leafBlock != block) {
      long table = leafTable(device, page, make);
      if (table == NONE) {
        return NONE;
      }
      device.leafTable = table;
      device.leafBlock = block;
    }
    return device.leafTable + (page & INDEX_MASK) * Long.BYTES;
  }

  private long leafTable(VTdDevice device, long page, boolean make) {
    long table = device.pageTable;
    for (int level = levels - 1; level > 0; level--) {
      long at = table + (page >>> INDEX_BITS * level & INDEX_MASK) * Long.BYTES;
      long next = memory.getLong(at) & ADDRESS;
      if (next == 0) {
        next = make ? table() : NONE;
        if (next == NONE) {
          return NONE;
        }
        memory.putLong(at, next | READ | WRITE);
      }
      table = next;
    }
    return table;
  }

  /**
   * Lets {@code device} reach a page, for one mapping more.
   *
   * @param access of {@link IoMmu#ACCESS_READ} and {@link IoMmu#ACCESS_WRITE}
   * @param result out: what the device could do to the page before, and what it can do now
   * @return OUT_OF_RESOURCES without memory for a table, or where too many mappings need the page;
   *     then nothing has changed
   */
  EfiStatus add(VTdDevice device, long page, long access, Change result) {
    long at = entryAddress(device, page, true);
    if (at == NONE) {
      return EfiStatus.OUT_OF_RESOURCES;
    }
    long before = memory.getLong(at);
    long readers = users(before, READERS_SHIFT) + (access & IoMmu.ACCESS_READ);
    long writers = users(before, WRITERS_SHIFT) + (access >>> 1);
    if (readers > MAX_USERS || writers > MAX_USERS) {
      return EfiStatus.OUT_OF_RESOURCES;
    }
    put(at, page, readers, writers, before, result);
    return EfiStatus.SUCCESS;
  }

  /** Takes back what {@link #add} gave. */
  void remove(VTdDevice device, long page, long access, Change result) {
    long at = entryAddress(device, page, false);
    long before = at == NONE ? 0 : memory.getLong(at);
    long readers = users(before, READERS_SHIFT) - (access & IoMmu.ACCESS_READ);
    long writers = users(before, WRITERS_SHIFT) - (access >>> 1);
    if (readers < 0 || writers < 0) {
      throw new IllegalStateException("page is not mapped so often: page=0x%x".formatted(page));
    }
    put(at, page, readers, writers, before, result);
  }

  private void put(long at, long page, long readers, long writers, long before, Change result) {
    long permitted = (readers > 0 ? READ : 0) | (writers > 0 ? WRITE : 0);
    long after =
        permitted == 0
            ? 0
            : page << PageEncMask.PAGE_SHIFT
                | permitted
                | readers << READERS_SHIFT
                | writers << WRITERS_SHIFT;
    memory.putLong(at, after);
    // What was not present is not cached; anything else may be, as it was.
    result.stale |= (before & (READ | WRITE)) != 0 && ((before ^ after) & (READ | WRITE)) != 0;
  }

  private static long users(long entry, int shift) {
    return entry >>> shift & MAX_USERS;
  }

  /** What came of a run of changes. */
  static final class Change {
    /** Whether the unit may have cached what is not true any more. */
    boolean stale;
  }
}
