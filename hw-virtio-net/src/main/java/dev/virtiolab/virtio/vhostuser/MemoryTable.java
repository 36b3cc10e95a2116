package dev.virtiolab.virtio.vhostuser;

import java.util.ArrayList;
import java.util.List;

/** The memory regions of a front-end, none of which overlap; immutable. */
final class MemoryTable {
  static final MemoryTable EMPTY = new MemoryTable(List.of());

  /** Regions that there may be: as many as QEMU has slots for memory that comes and goes. */
  static final int MAX_REGIONS = 32;

  private final MemoryRegion[] regions;

  private MemoryTable(List<MemoryRegion> regions) {
    this.regions = regions.toArray(new MemoryRegion[0]);
  }

  /**
   * A table of these.
   *
   * @throws RefusedException if two overlap, or there are too many
   */
  static MemoryTable of(List<MemoryRegion> regions) throws RefusedException {
    MemoryTable table = EMPTY;
    for (MemoryRegion region : regions) {
      table = table.with(region);
    }
    return table;
  }

  MemoryTable with(MemoryRegion added) throws RefusedException {
    if (regions.length == MAX_REGIONS) {
      throw new RefusedException("more than " + MAX_REGIONS + " memory regions");
    }
    for (MemoryRegion region : regions) {
      if (region.overlaps(added)) {
        throw new RefusedException(
            "memory regions overlap: " + region.describe() + " and " + added.describe());
      }
    }
    List<MemoryRegion> all = new ArrayList<>(List.of(regions));
    all.add(added);
    return new MemoryTable(all);
  }

  MemoryTable without(MemoryRegion removed) {
    List<MemoryRegion> all = new ArrayList<>(List.of(regions));
    all.remove(removed);
    return new MemoryTable(all);
  }

  /**
   * The region of these addresses and this size.
   *
   * @throws RefusedException if there is none
   */
  MemoryRegion find(long guestBase, long size, long userBase) throws RefusedException {
    for (MemoryRegion region : regions) {
      if (region.guestBase() == guestBase
          && region.size() == size
          && region.userBase() == userBase) {
        return region;
      }
    }
    throw new RefusedException(
        "no such memory region: guest=0x%x size=0x%x user=0x%x"
            .formatted(guestBase, size, userBase));
  }

  List<MemoryRegion> regions() {
    return List.of(regions);
  }

  boolean isEmpty() {
    return regions.length == 0;
  }

  /** The region that holds a guest address; null if none does. Allocates nothing. */
  MemoryRegion atGuest(long address) {
    // A handful on any machine, and windows keep what was found: no search pays off.
    for (MemoryRegion region : regions) {
      if (region.holdsGuest(address)) {
        return region;
      }
    }
    return null;
  }

  /** The region that holds a user address; null if none does. */
  MemoryRegion atUser(long address) {
    for (MemoryRegion region : regions) {
      if (region.holdsUser(address)) {
        return region;
      }
    }
    return null;
  }

  /** The guest address of a user address; -1 if no region holds it. */
  long guestOfUser(long address) {
    MemoryRegion region = atUser(address);
    return region == null ? -1 : region.guestBase() + (address - region.userBase());
  }

  /** One past the highest guest address. */
  long guestLimit() {
    long limit = 0;
    for (MemoryRegion region : regions) {
      limit = Math.max(limit, region.guestBase() + region.size());
    }
    return limit;
  }
}
