package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.iommu.BounceSlots.SlotClass;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.pci.cpu.CpuMemory;
import java.util.BitSet;

/**
 * The reserved slots: OvmfPkg/IoMmuDxe/IoMmuBuffer.c.
 *
 * <pre>
 *   one allocation, below 4 GiB
 *   +--------+------+--------+------+ . . +--------+--------------+ . .
 *   | header | data | header | data |     | header | data         |
 *   | private|shared| private|shared|     | private| shared       |
 *   +--------+------+--------+------+ . . +--------+--------------+ . .
 *     4 KiB   4 KiB   4 KiB   4 KiB         4 KiB    32 KiB
 * </pre>
 *
 * <p>A slot that nobody holds is all zeros: who takes it finds no stale bytes in it, and whoever
 * looks at it from outside finds none either.
 *
 * <p>Unlike OVMF's, the slots lie below 4 GiB whatever the size of memory, since a 32-bit operation
 * may be given any of them.
 */
final class ReservedSlots {
  static final int NONE = -1;

  private final BounceSlots table;
  private final PageEncMask encMask;
  private final CpuMemory memory;
  private final DmaCounters counters;

  /** By slot: address of its data, pages of data, and its class. */
  private final long[] dataAddress;

  private final int[] dataPages;
  private final int[] classOfSlot;

  /** By class: its first slot, and which of its slots are held. */
  private final int[] firstSlot;

  private final BitSet[] held;
  private boolean reserved;

  ReservedSlots(BounceSlots table, PageEncMask encMask, CpuMemory memory, DmaCounters counters) {
    this.table = table;
    this.encMask = encMask;
    this.memory = memory;
    this.counters = counters;
    int slots = table.totalSlots();
    int classes = table.classes().size();
    dataAddress = new long[slots];
    dataPages = new int[slots];
    classOfSlot = new int[slots];
    firstSlot = new int[classes];
    held = new BitSet[classes];
    int slot = 0;
    for (int c = 0; c < classes; c++) {
      SlotClass slotClass = table.classes().get(c);
      firstSlot[c] = slot;
      held[c] = new BitSet(slotClass.count());
      for (int i = 0; i < slotClass.count(); i++, slot++) {
        classOfSlot[slot] = c;
        dataPages[slot] = (int) slotClass.pages();
      }
    }
  }

  /** Allocates the whole table and shares its data pages. */
  EfiStatus reserve(BootServices bootServices) {
    if (dataAddress.length == 0) {
      return EfiStatus.UNSUPPORTED;
    }
    LongRef address = new LongRef(IoMmuDxe.BELOW_4_GIB);
    EfiStatus status =
        bootServices.allocatePages(
            AllocateType.MAX_ADDRESS, MemoryType.BOOT_SERVICES_DATA, table.totalPages(), address);
    if (status.isError()) {
      return status;
    }
    long next = address.value;
    for (int slot = 0; slot < dataAddress.length; slot++) {
      long pages = dataPages[slot];
      dataAddress[slot] = next + PageEncMask.PAGE_BYTES;
      encMask.clear(dataAddress[slot], pages);
      memory.fill(dataAddress[slot], pages << PageEncMask.PAGE_SHIFT, (byte) 0);
      counters.slotReserved(pages);
      next += (pages + 1) << PageEncMask.PAGE_SHIFT;
    }
    reserved = true;
    return EfiStatus.SUCCESS;
  }

  /**
   * Takes a free slot of the smallest class that {@code pages} fit in; a larger class is never
   * tried.
   *
   * @return the slot, or {@link #NONE}
   */
  int take(long pages) {
    if (!reserved) {
      return NONE;
    }
    for (int c = 0; c < held.length; c++) {
      if (Long.compareUnsigned(pages, dataPages[firstSlot[c]]) <= 0) {
        int index = held[c].nextClearBit(0);
        if (index >= table.classes().get(c).count()) {
          return NONE;
        }
        held[c].set(index);
        counters.slotTaken();
        return firstSlot[c] + index;
      }
    }
    return NONE;
  }

  /** Where the slot's data begins; its header page is the page before. */
  long address(int slot) {
    return dataAddress[slot];
  }

  /** Gives a slot back; its holder has zeroed what it used of it. */
  void giveBack(int slot) {
    int c = classOfSlot[slot];
    int index = slot - firstSlot[c];
    if (!held[c].get(index)) {
      throw new IllegalStateException("slot given back twice: slot=" + slot);
    }
    held[c].clear(index);
    counters.slotGivenBack();
  }

  /**
   * Sets the C-bit of every slot and converts nothing: what a driver had in one is garbage to the
   * guest from now on, and stays as it was in DRAM. No page is freed.
   */
  void release() {
    if (!reserved) {
      return;
    }
    reserved = false;
    for (int slot = 0; slot < dataAddress.length; slot++) {
      encMask.set(dataAddress[slot], dataPages[slot]);
      counters.slotReleased(dataPages[slot]);
    }
  }

  /** Clears what a holder leaves behind in a slot. */
  void zero(int slot, long bytes) {
    memory.fill(dataAddress[slot], bytes, (byte) 0);
  }
}
