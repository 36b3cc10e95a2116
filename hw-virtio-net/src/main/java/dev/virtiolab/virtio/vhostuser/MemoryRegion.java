package dev.virtiolab.virtio.vhostuser;

import dev.virtiolab.pci.memory.PhysicalMemory;
import java.lang.foreign.MemorySegment;

/**
 * One memory region of the front-end, mapped (vhost-user.rst, "Memory regions description").
 *
 * @param guestBase first guest address
 * @param userBase first user address: where the front-end itself has it
 * @param size bytes; addresses and size are whole pages, so that what is aligned there is aligned
 *     here
 * @param segment its bytes, here
 * @param file the map that they are part of, held until the region goes
 */
record MemoryRegion(
    long guestBase, long userBase, long size, MemorySegment segment, MappedFiles.Lease file) {

  /**
   * Checks what a front-end says of a region.
   *
   * @throws RefusedException if it cannot be
   */
  static void check(long guestBase, long size, long userBase, long mmapOffset)
      throws RefusedException {
    if ((guestBase | size | userBase | mmapOffset) % PhysicalMemory.PAGE_BYTES != 0) {
      throw new RefusedException(
          "a region that is no whole number of pages: guest=0x%x size=0x%x user=0x%x offset=0x%x"
              .formatted(guestBase, size, userBase, mmapOffset));
    }
    // Compared so that nothing can overflow: from here on all sums stay below 2^63.
    if (size <= 0
        || guestBase < 0
        || userBase < 0
        || mmapOffset < 0
        || guestBase > Long.MAX_VALUE - size
        || userBase > Long.MAX_VALUE - size
        || mmapOffset > Long.MAX_VALUE - size) {
      throw new RefusedException(
          "a region that is empty or beyond 2^63: guest=0x%x size=0x%x user=0x%x offset=0x%x"
              .formatted(guestBase, size, userBase, mmapOffset));
    }
  }

  boolean holdsGuest(long address) {
    return address - guestBase >= 0 && address - guestBase < size;
  }

  boolean holdsUser(long address) {
    return address - userBase >= 0 && address - userBase < size;
  }

  /** Whether one of the two address ranges is partly the other's. */
  boolean overlaps(MemoryRegion other) {
    return overlap(guestBase, size, other.guestBase, other.size)
        || overlap(userBase, size, other.userBase, other.size);
  }

  private static boolean overlap(long a, long aSize, long b, long bSize) {
    return a < b + bSize && b < a + aSize;
  }

  String describe() {
    return "guest=0x%x size=0x%x user=0x%x".formatted(guestBase, size, userBase);
  }
}
