package dev.virtiolab.virtio.vhostuser;

import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.MappingGeneration;

/**
 * The front-end's memory as the device sees it: by guest address, or, with
 * VIRTIO_F_ACCESS_PLATFORM, by I/O virtual address through the {@link Iotlb} (vhost-user.rst,
 * "Memory access").
 *
 * <p>Everything here happens with the device's lock held: so nothing that a batch of frames has
 * resolved goes away within the batch.
 */
final class VhostMemory implements BusMemory {
  /** Asks the front-end for a translation; must not block. */
  interface Misses {
    /** What there is to say about an address that has no translation: a fault. */
    DmaFault missed(long address, int permissions);
  }

  private final MappingGeneration generation = new MappingGeneration();
  private final Iotlb iotlb = new Iotlb();
  private final Misses misses;
  private MemoryTable table = MemoryTable.EMPTY;
  private boolean translated;

  VhostMemory(Misses misses) {
    this.misses = misses;
  }

  MemoryTable table() {
    return table;
  }

  /** From now on these regions are what there is; segments of others are touched no more. */
  void replace(MemoryTable with) {
    table = with;
    generation.advance();
  }

  /** Whether addresses are I/O virtual. */
  boolean translated() {
    return translated;
  }

  void translate(boolean on) {
    translated = on;
    iotlb.clear();
    generation.advance();
  }

  /**
   * The front-end tells a translation.
   *
   * @throws RefusedException if it is impossible, or not within one region
   */
  void update(long iova, long size, long userAddress, int permissions) throws RefusedException {
    MemoryRegion region = table.atUser(userAddress);
    if (region == null || size > region.userBase() + region.size() - userAddress) {
      throw new RefusedException(
          "an IOTLB entry outside the memory regions: user=0x%x size=0x%x"
              .formatted(userAddress, size));
    }
    // A window that holds stays as it is, unless what it was resolved by has gone.
    if (iotlb.update(iova, size, userAddress, permissions)) {
      generation.advance();
    }
  }

  /** The front-end takes translations back. */
  void invalidate(long iova, long size) {
    if (iotlb.invalidate(iova, size)) {
      generation.advance();
    }
  }

  /** Translations that are held. */
  int translations() {
    return iotlb.count();
  }

  /**
   * The guest address of a bus address that was just written, for a log of dirty pages; -1 if it
   * resolves no more.
   */
  long guestAddress(long address) {
    if (!translated) {
      return address;
    }
    int entry = iotlb.find(address);
    return entry < 0 ? -1 : table.guestOfUser(iotlb.user(entry) + (address - iotlb.iova(entry)));
  }

  @Override
  public MappingGeneration generation() {
    return generation;
  }

  @Override
  public boolean mayPend() {
    return translated;
  }

  @Override
  public boolean resolve(long address, DmaAccess access, DmaWindow window) {
    long now = generation.acquire();
    if (translated) {
      return resolveTranslated(address, access, window, now);
    }
    MemoryRegion region = table.atGuest(address);
    return region == null
        ? window.faulted(DmaFault.NO_MEMORY)
        : window.resolved(region.segment(), region.guestBase(), now);
  }

  private boolean resolveTranslated(long address, DmaAccess access, DmaWindow window, long now) {
    int permissions =
        access == DmaAccess.READ ? VhostUserLayout.IOTLB_READ : VhostUserLayout.IOTLB_WRITE;
    int entry = iotlb.find(address);
    if (entry < 0 || !iotlb.permits(entry, permissions)) {
      return window.faulted(misses.missed(address, permissions));
    }
    long user = iotlb.user(entry) + (address - iotlb.iova(entry));
    MemoryRegion region = table.atUser(user);
    if (region == null) {
      return window.faulted(DmaFault.NO_MEMORY); // the region went, and its translation stayed
    }
    // What of the entry lies in the region, which may be less than all of it by now.
    long before = Math.min(address - iotlb.iova(entry), user - region.userBase());
    long behind = Math.min(iotlb.limit(entry) - address, region.userBase() + region.size() - user);
    return window.resolved(
        region.segment(),
        user - before - region.userBase(),
        address - before,
        before + behind,
        now);
  }
}
