package dev.virtiolab.firmware.iommu;

import java.util.List;

/**
 * Which bounce buffers are reserved when the IOMMU driver starts, to stay shared until
 * ExitBootServices, so that a Map that finds one changes no C-bit.
 *
 * @param classes by strictly ascending size; at most 2 GiB in all
 */
public record BounceSlots(List<SlotClass> classes) {

  /**
   * Slots of one size.
   *
   * @param bytes of data in a slot, a multiple of 4 KiB; a private header page is added to each
   * @param count at least 1
   */
  public record SlotClass(int bytes, int count) {

    /**
     * @throws IllegalArgumentException if {@code bytes} is no positive multiple of 4096, or {@code
     *     count} is not positive
     */
    public SlotClass {
      if (bytes <= 0 || bytes % PageEncMask.PAGE_BYTES != 0) {
        throw new IllegalArgumentException("slot size is no multiple of 4096: bytes=" + bytes);
      }
      if (count <= 0) {
        throw new IllegalArgumentException("a slot class needs a slot: count=" + count);
      }
    }

    /** Pages of data in a slot. */
    long pages() {
      return bytes / PageEncMask.PAGE_BYTES;
    }

    /** Pages from one slot of the class to the next: the data and its header page. */
    long stridePages() {
      return pages() + 1;
    }
  }

  private static final int KIB = 1024;
  private static final int MIB = 1024 * KIB;
  private static final long LARGEST_TABLE_PAGES = (2L * 1024 * MIB) / PageEncMask.PAGE_BYTES;

  /** The table of OvmfPkg/IoMmuDxe/IoMmuBuffer.c: 17 slots, not quite 6 MiB. */
  public static final BounceSlots OVMF = ovmfWithSmallSlots(4);

  /** No slots: every Map flips pages of its own, as the driver of 2017 did. */
  public static final BounceSlots NONE = new BounceSlots(List.of());

  /**
   * OVMF's table but for the smallest slots, which packets and their headers take: {@code count} of
   * 4 KiB.
   *
   * @throws IllegalArgumentException if {@code count} is not positive, or the table is above 2 GiB
   */
  public static BounceSlots ovmfWithSmallSlots(int count) {
    return new BounceSlots(
        List.of(
            new SlotClass(4 * KIB, count),
            new SlotClass(32 * KIB, 8),
            new SlotClass(128 * KIB, 2),
            new SlotClass(MIB, 1),
            new SlotClass(2 * MIB, 2)));
  }

  /**
   * @throws IllegalArgumentException if the sizes do not ascend, or the table is above 2 GiB
   */
  public BounceSlots {
    classes = List.copyOf(classes);
    long before = 0;
    long pages = 0;
    for (SlotClass slotClass : classes) {
      if (slotClass.bytes() <= before) {
        throw new IllegalArgumentException(
            "slot sizes must ascend: bytes=" + slotClass.bytes() + " after=" + before);
      }
      before = slotClass.bytes();
      pages += slotClass.stridePages() * slotClass.count();
    }
    if (pages > LARGEST_TABLE_PAGES) {
      throw new IllegalArgumentException("slots take more than 2 GiB: pages=" + pages);
    }
  }

  /** Pages that the whole table takes, header pages included. */
  public long totalPages() {
    long pages = 0;
    for (SlotClass slotClass : classes) {
      pages += slotClass.stridePages() * slotClass.count();
    }
    return pages;
  }

  /** Slots of all sizes. */
  public int totalSlots() {
    int slots = 0;
    for (SlotClass slotClass : classes) {
      slots += slotClass.count();
    }
    return slots;
  }
}
