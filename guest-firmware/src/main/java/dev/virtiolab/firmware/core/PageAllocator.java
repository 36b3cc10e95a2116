package dev.virtiolab.firmware.core;

import dev.virtiolab.firmware.handoff.HandOff;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.List;

/**
 * Pages: UEFI Specification 2.10, 7.2.1 "EFI_BOOT_SERVICES.AllocatePages()" to 7.2.3
 * "EFI_BOOT_SERVICES.GetMemoryMap()"; edk2's Page.c. Allocation goes from the top of RAM down. To
 * be called at NOTIFY or below.
 *
 * <p>Every change of the map signals the MEMORY_MAP_CHANGE group, whose members run when the
 * service lets its lock go.
 */
final class PageAllocator {
  static final int PAGE_SHIFT = 12;
  static final long PAGE_SIZE = 1L << PAGE_SHIFT;

  /** Highest page number that an address of 64 bits can have. */
  private static final long HIGHEST_PAGE = -1L >>> PAGE_SHIFT;

  private final TplService tpl;
  private final EventService events;
  private final MemoryMap map = new MemoryMap();

  PageAllocator(TplService tpl, EventService events, HandOff handOff) {
    this.tpl = tpl;
    this.events = events;
    for (HandOff.Range ram : handOff.ram()) {
      map.add(MemoryType.CONVENTIONAL, pageOf(ram.base()), pageOf(ram.length()));
    }
    reserve(MemoryType.BOOT_SERVICES_CODE, handOff.firmware());
    reserve(MemoryType.BOOT_SERVICES_DATA, handOff.pages());
  }

  EfiStatus allocate(AllocateType type, MemoryType memoryType, long pages, LongRef memory) {
    if (type == null || !isAllocatable(memoryType) || memory == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    int old = tpl.raise(Tpl.NOTIFY);
    EfiStatus status =
        switch (type) {
          case ANY_PAGES -> allocateBelow(memoryType, pages, -1, memory);
          case MAX_ADDRESS -> allocateBelow(memoryType, pages, memory.value, memory);
          case ADDRESS -> allocateAt(memoryType, pages, memory.value);
        };
    changed(status);
    tpl.restore(old);
    return status;
  }

  EfiStatus free(long memory, long pages) {
    int old = tpl.raise(Tpl.NOTIFY);
    EfiStatus status;
    if (map.typeOf(pageOf(memory)) == null) {
      status = EfiStatus.NOT_FOUND;
    } else if (!isAligned(memory) || pages == 0) {
      status = EfiStatus.INVALID_PARAMETER;
    } else if (!isRange(memory, pages) || !map.free(pageOf(memory), pages)) {
      status = EfiStatus.NOT_FOUND;
    } else {
      status = EfiStatus.SUCCESS;
    }
    changed(status);
    tpl.restore(old);
    return status;
  }

  EfiStatus getMemoryMap(LongRef mapSize, Ref<List<MemoryDescriptor>> target, LongRef mapKey) {
    if (mapSize == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    int old = tpl.raise(Tpl.NOTIFY);
    long size = (long) map.size() * MemoryDescriptor.SIZE;
    EfiStatus status = EfiStatus.SUCCESS;
    if (Long.compareUnsigned(mapSize.value, size) < 0) {
      status = EfiStatus.BUFFER_TOO_SMALL;
    } else if (target == null) {
      status = EfiStatus.INVALID_PARAMETER;
    } else {
      target.value = map.descriptors();
    }
    mapSize.value = size;
    if (mapKey != null) {
      mapKey.value = map.key();
    }
    tpl.restore(old);
    return status;
  }

  /**
   * Whether the map is still the one that goes with this key. Nothing is locked: an allocation
   * after a successful check succeeds unnoticed, as in edk2.
   */
  boolean isCurrent(long mapKey) {
    return map.key() == mapKey;
  }

  /** The key that the map has now. */
  long mapKey() {
    return map.key();
  }

  /** The map as it is now. */
  List<MemoryDescriptor> map() {
    return map.descriptors();
  }

  /** Whether pages or pool of this type can be asked for. */
  static boolean isAllocatable(MemoryType type) {
    return type != null
        && type != MemoryType.CONVENTIONAL
        && type != MemoryType.PERSISTENT
        && type != MemoryType.UNACCEPTED;
  }

  private EfiStatus allocateBelow(MemoryType type, long pages, long highest, LongRef memory) {
    if (pages <= 0 || pages > HIGHEST_PAGE) {
      return EfiStatus.OUT_OF_RESOURCES;
    }
    // An address within a page excludes that page, unless it is the page's last byte.
    long limit = isAligned(highest + 1) ? pageOf(highest) : pageOf(highest) - 1;
    long first = map.findFree(pages, limit);
    if (first == MemoryMap.NOT_FOUND) {
      return EfiStatus.OUT_OF_RESOURCES;
    }
    map.take(type, first, pages);
    memory.value = first << PAGE_SHIFT;
    return EfiStatus.SUCCESS;
  }

  private EfiStatus allocateAt(MemoryType type, long pages, long memory) {
    boolean found =
        isAligned(memory)
            && memory != 0
            && isRange(memory, pages)
            && map.take(type, pageOf(memory), pages);
    return found ? EfiStatus.SUCCESS : EfiStatus.NOT_FOUND;
  }

  private void changed(EfiStatus status) {
    if (!status.isError()) {
      events.signalGroup(EventGroups.MEMORY_MAP_CHANGE);
    }
  }

  private void reserve(MemoryType type, HandOff.Range range) {
    if (!map.take(type, pageOf(range.base()), pageOf(range.length() + PAGE_SIZE - 1))) {
      throw new IllegalArgumentException("hand-off: not in RAM, or twice: " + range);
    }
  }

  private static boolean isRange(long memory, long pages) {
    return pages > 0 && pages <= HIGHEST_PAGE - pageOf(memory);
  }

  private static boolean isAligned(long address) {
    return (address & (PAGE_SIZE - 1)) == 0;
  }

  private static long pageOf(long address) {
    return address >>> PAGE_SHIFT;
  }
}
