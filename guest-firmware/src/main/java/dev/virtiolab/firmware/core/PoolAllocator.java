package dev.virtiolab.firmware.core;

import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Tpl;
import dev.virtiolab.pci.cpu.CpuMemory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Pool: UEFI Specification 2.10, 7.2.4 "EFI_BOOT_SERVICES.AllocatePool()" and 7.2.5
 * "EFI_BOOT_SERVICES.FreePool()". To be called at NOTIFY or below.
 *
 * <p>A page serves blocks of one type and one size, a power of two from 64 bytes to 2 KiB; what is
 * larger gets pages of its own. A page is fetched when its first block is asked for and freed with
 * its last: only then does the memory map change. Which blocks are taken is known here and not in
 * guest memory, where an overrun or a device could change it. In guest memory there is one word
 * behind each block, which freePool finds changed if somebody wrote past the end.
 */
final class PoolAllocator {
  private static final int SMALLEST = 64;
  private static final int LARGEST = 2048;
  private static final int TAIL_BYTES = 8;
  private static final long TAIL = 0x6C69_6174_6C6F_6F70L;
  private static final long LARGEST_SIZE = 1L << 52;

  /** One page of blocks, or the pages of one large block. */
  private static final class Slab {
    final long base;
    final long pages;
    final MemoryType type;
    final long blockSize;
    final long[] tails;
    int taken;

    Slab(long base, long pages, MemoryType type, long blockSize, int blocks) {
      this.base = base;
      this.pages = pages;
      this.type = type;
      this.blockSize = blockSize;
      this.tails = new long[blocks];
    }

    boolean isFull() {
      return taken == tails.length;
    }
  }

  private final TplService tpl;
  private final PageAllocator pages;
  private final CpuMemory memory;
  private final Map<Long, Slab> slabByPage = new HashMap<>();

  /** Slabs of blocks that have room, the one used last at the end. */
  private final List<Slab> withRoom = new ArrayList<>();

  PoolAllocator(TplService tpl, PageAllocator pages, CpuMemory memory) {
    this.tpl = tpl;
    this.pages = pages;
    this.memory = memory;
  }

  EfiStatus allocate(MemoryType type, long size, LongRef buffer) {
    if (!PageAllocator.isAllocatable(type) || buffer == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    buffer.value = 0;
    if (size < 0 || size > LARGEST_SIZE) {
      return EfiStatus.OUT_OF_RESOURCES;
    }
    int old = tpl.raise(Tpl.NOTIFY);
    long tail = (size + 7) & ~7L;
    Slab slab = slabFor(type, tail + TAIL_BYTES);
    if (slab != null) {
      buffer.value = takeBlock(slab, tail);
    }
    tpl.restore(old);
    return slab == null ? EfiStatus.OUT_OF_RESOURCES : EfiStatus.SUCCESS;
  }

  EfiStatus free(long buffer) {
    int old = tpl.raise(Tpl.NOTIFY);
    EfiStatus status = freeBlock(buffer);
    tpl.restore(old);
    return status;
  }

  private Slab slabFor(MemoryType type, long bytes) {
    if (bytes > LARGEST) {
      long count = (bytes + PageAllocator.PAGE_SIZE - 1) >>> PageAllocator.PAGE_SHIFT;
      return newSlab(type, count, count << PageAllocator.PAGE_SHIFT, 1);
    }
    long blockSize = Math.max(SMALLEST, Long.highestOneBit(2 * bytes - 1));
    for (int i = withRoom.size() - 1; i >= 0; i--) {
      if (withRoom.get(i).type == type && withRoom.get(i).blockSize == blockSize) {
        return withRoom.get(i);
      }
    }
    return newSlab(type, 1, blockSize, (int) (PageAllocator.PAGE_SIZE / blockSize));
  }

  private Slab newSlab(MemoryType type, long count, long blockSize, int blocks) {
    LongRef base = new LongRef();
    if (pages.allocate(AllocateType.ANY_PAGES, type, count, base).isError()) {
      return null;
    }
    Slab slab = new Slab(base.value, count, type, blockSize, blocks);
    slabByPage.put(slab.base, slab);
    withRoom.add(slab);
    return slab;
  }

  /** Takes the lowest free block; {@code tail} is the offset of the word behind it. */
  private long takeBlock(Slab slab, long tail) {
    int block = 0;
    while (slab.tails[block] != 0) {
      block++;
    }
    long address = slab.base + block * slab.blockSize;
    slab.tails[block] = address + tail;
    slab.taken++;
    if (slab.isFull()) {
      withRoom.remove(slab);
    }
    memory.putLong(address + tail, TAIL);
    return address;
  }

  private EfiStatus freeBlock(long buffer) {
    Slab slab = slabByPage.get(buffer & -PageAllocator.PAGE_SIZE);
    if (slab == null || (buffer - slab.base) % slab.blockSize != 0) {
      return EfiStatus.INVALID_PARAMETER;
    }
    int block = (int) ((buffer - slab.base) / slab.blockSize);
    if (slab.tails[block] == 0 || memory.getLong(slab.tails[block]) != TAIL) {
      return EfiStatus.INVALID_PARAMETER;
    }
    if (slab.isFull()) {
      withRoom.add(slab);
    }
    slab.tails[block] = 0;
    slab.taken--;
    if (slab.taken == 0) {
      withRoom.remove(slab);
      slabByPage.remove(slab.base);
      pages.free(slab.base, slab.pages);
    }
    return EfiStatus.SUCCESS;
  }
}
