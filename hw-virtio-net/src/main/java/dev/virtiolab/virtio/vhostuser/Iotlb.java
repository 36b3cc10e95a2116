package dev.virtiolab.virtio.vhostuser;

import dev.virtiolab.pci.memory.PhysicalMemory;
import java.util.Arrays;

/**
 * The translations that a front-end has told: I/O virtual addresses to user addresses
 * (vhost-user.rst, "IOMMU support"). What is not here is asked for by a miss.
 *
 * <p>Entries do not overlap and are sorted. Whoever holds the device's lock uses it.
 */
final class Iotlb {
  /**
   * Entries, at most: two full rings of two pages for each buffer. When there is no more room all
   * go, and are asked for again.
   */
  static final int CAPACITY = 2048;

  private final long[] iova = new long[CAPACITY];
  private final long[] limit = new long[CAPACITY];
  private final long[] user = new long[CAPACITY];
  private final int[] permission = new int[CAPACITY];
  private int count;

  int count() {
    return count;
  }

  /**
   * Puts an entry in; those that it overlaps go.
   *
   * @return whether anything that was here before holds no more
   * @throws RefusedException if it is empty, no whole number of pages, or beyond 2^63
   */
  boolean update(long address, long size, long userAddress, int permissions)
      throws RefusedException {
    if ((address | size | userAddress) % PhysicalMemory.PAGE_BYTES != 0
        || size <= 0
        || address < 0
        || userAddress < 0
        || address > Long.MAX_VALUE - size
        || userAddress > Long.MAX_VALUE - size) {
      throw new RefusedException(
          "an IOTLB entry that is empty or no whole number of pages: iova=0x%x size=0x%x user=0x%x"
              .formatted(address, size, userAddress));
    }
    boolean gone = invalidate(address, size);
    if (count == CAPACITY) {
      count = 0;
      gone = true;
    }
    int at = firstFrom(address);
    open(at);
    iova[at] = address;
    limit[at] = address + size;
    user[at] = userAddress;
    permission[at] = permissions;
    return gone;
  }

  /**
   * Takes out every entry that has an address in the range; its other addresses are asked for
   * again.
   *
   * @param size bytes, unsigned; a range that runs over the end ends there
   * @return whether there was one
   */
  boolean invalidate(long address, long size) {
    if (address < 0 || size == 0) {
      return false; // no entry lies there
    }
    long end = size < 0 || address > Long.MAX_VALUE - size ? Long.MAX_VALUE : address + size;
    int from = find(address);
    if (from < 0) {
      from = firstFrom(address);
    }
    int to = from;
    while (to < count && iova[to] < end) {
      to++;
    }
    close(from, to);
    return to > from;
  }

  void clear() {
    count = 0;
  }

  /** The index of the entry that holds {@code address}; -1 if there is none. */
  int find(long address) {
    int at = firstFrom(address);
    if (at < count && iova[at] == address) {
      return at;
    }
    return at > 0 && address < limit[at - 1] ? at - 1 : -1;
  }

  boolean permits(int entry, int permissions) {
    return (permission[entry] & permissions) == permissions;
  }

  /** First address of an entry. */
  long iova(int entry) {
    return iova[entry];
  }

  /** One past its last. */
  long limit(int entry) {
    return limit[entry];
  }

  /** What its first address is the front-end's. */
  long user(int entry) {
    return user[entry];
  }

  /** The index of the first entry that begins at {@code address} or behind. */
  private int firstFrom(long address) {
    int at = Arrays.binarySearch(iova, 0, count, address);
    return at >= 0 ? at : -at - 1;
  }

  private void open(int at) {
    int behind = count - at;
    System.arraycopy(iova, at, iova, at + 1, behind);
    System.arraycopy(limit, at, limit, at + 1, behind);
    System.arraycopy(user, at, user, at + 1, behind);
    System.arraycopy(permission, at, permission, at + 1, behind);
    count++;
  }

  private void close(int from, int to) {
    int behind = count - to;
    System.arraycopy(iova, to, iova, from, behind);
    System.arraycopy(limit, to, limit, from, behind);
    System.arraycopy(user, to, user, from, behind);
    System.arraycopy(permission, to, permission, from, behind);
    count -= to - from;
  }
}
