package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.pci.cpu.CpuMemory;

/**
 * Pages for bounce buffers, all within 32-bit devices' reach: what is given back is kept, so that
 * the next that is as large costs no allocation. Buffers hold 1, 2, 4, 8 or 16 pages; larger ones
 * are allocated and freed each time. At most {@value #KEPT_PAGES} pages are kept in buffers of a
 * size.
 *
 * <p>A buffer holds whatever it held last; in a pool of zeros, a new one holds zeros.
 */
final class BouncePool {
  /** From {@link #take}: there is no memory. */
  static final long NONE = -1;

  static final int KEPT_PAGES = 1024;

  private static final int SIZES = 5;
  private static final long LARGEST_PAGES = 1L << SIZES - 1;

  private final BootServices bootServices;
  private final long lastAddress;
  private final CpuMemory zeroedIn;
  private final long[][] kept = new long[SIZES][];
  private final int[] keptCount = new int[SIZES];
  private final LongRef pagesRef = new LongRef();

  /**
   * @param lastAddress the highest that a byte of a buffer may have; negative: there can be none
   */
  BouncePool(BootServices bootServices, long lastAddress) {
    this(bootServices, lastAddress, null);
  }

  private BouncePool(BootServices bootServices, long lastAddress, CpuMemory zeroedIn) {
    this.bootServices = bootServices;
    this.lastAddress = lastAddress;
    this.zeroedIn = zeroedIn;
    for (int size = 0; size < SIZES; size++) {
      kept[size] = new long[KEPT_PAGES >> size];
    }
  }

  /**
   * A pool whose new buffers are all zeros, in {@code memory}. Who gives a buffer back has zeroed
   * what was written to it, and so all buffers stay like that.
   */
  static BouncePool ofZeros(BootServices bootServices, long lastAddress, CpuMemory memory) {
    return new BouncePool(bootServices, lastAddress, memory);
  }

  /**
   * A buffer of at least {@code pages}, at least 1.
   *
   * @return its address, or {@link #NONE}
   */
  long take(long pages) {
    if (pages > LARGEST_PAGES) {
      return allocate(pages);
    }
    int size = size(pages);
    return keptCount[size] > 0 ? kept[size][--keptCount[size]] : allocate(1L << size);
  }

  private long allocate(long pages) {
    if (lastAddress < 0) {
      return NONE;
    }
    pagesRef.value = lastAddress;
    EfiStatus status =
        bootServices.allocatePages(
            AllocateType.MAX_ADDRESS, MemoryType.BOOT_SERVICES_DATA, pages, pagesRef);
    if (status.isError()) {
      return NONE;
    }
    if (zeroedIn != null) {
      zeroedIn.fill(pagesRef.value, pages << PageEncMask.PAGE_SHIFT, (byte) 0);
    }
    return pagesRef.value;
  }

  /** Takes back a buffer that was taken for {@code pages}; not after ExitBootServices. */
  void giveBack(long address, long pages) {
    if (pages > LARGEST_PAGES) {
      free(address, pages);
      return;
    }
    int size = size(pages);
    if (keptCount[size] < kept[size].length) {
      kept[size][keptCount[size]++] = address;
    } else {
      free(address, 1L << size);
    }
  }

  private void free(long address, long pages) {
    EfiStatus status = bootServices.freePages(address, pages);
    if (status.isError()) {
      throw new IllegalStateException(
          "bounce buffer is not ours to free: address=0x%x pages=%d status=%s"
              .formatted(address, pages, status));
    }
  }

  /** The smallest size, as a power of two, that {@code pages} fit in. */
  private static int size(long pages) {
    return Long.SIZE - Long.numberOfLeadingZeros(pages - 1);
  }
}
