package dev.virtiolab.firmware.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.Seed;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.handoff.HandOff;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Random allocations and frees through the core and through an array with one entry per page. */
class PageModelTest {
  private static final int HISTORIES = 60;
  private static final int STEPS = 400;
  private static final long MIB = 1L << 20;
  private static final HandOff HAND_OFF =
      HandOffs.withRam(
          List.of(
              new HandOff.Range(0, 3 * MIB),
              new HandOff.Range(3 * MIB + 0x10000, MIB),
              new HandOff.Range(8 * MIB, 2 * MIB)));
  private static final int PAGES = (int) (11 * MIB >> 12);
  private static final MemoryType[] TYPES = {
    MemoryType.BOOT_SERVICES_DATA, MemoryType.LOADER_DATA, MemoryType.ACPI_NVS
  };

  private final MemoryType[] model = new MemoryType[PAGES];
  private long key = -1;

  @Test
  void theAllocatorKeepsThePagesAsAnArrayWould() {
    SplittableRandom random = Seed.random("PageModelTest");
    int successes = 0;
    for (int history = 0; history < HISTORIES; history++) {
      DxeCore core = new DxeCore(null, new VirtualClock(), HAND_OFF);
      startModel();
      key = -1;
      compare(core, true, "at start");
      for (int step = 0; step < STEPS; step++) {
        long pages = 1L << random.nextInt(9);
        pages += random.nextLong(pages);
        long address =
            (random.nextLong(PAGES) << 12) + (random.nextInt(10) == 0 ? random.nextInt(4096) : 0);
        MemoryType type = TYPES[random.nextInt(TYPES.length)];
        EfiStatus status =
            switch (random.nextInt(5)) {
              case 0 -> allocateBelow(core, AllocateType.ANY_PAGES, type, pages, address);
              case 1 -> allocateBelow(core, AllocateType.MAX_ADDRESS, type, pages, address);
              case 2 -> allocateAt(core, type, pages, address);
              default -> free(core, (int) Math.min(pages, 40), address);
            };
        successes += status.isError() ? 0 : 1;
        compare(core, !status.isError(), "history=" + history + " step=" + step);
      }
    }
    System.out.println("PageModelTest: successful calls: " + successes);
  }

  private void startModel() {
    for (int page = 0; page < PAGES; page++) {
      HandOff.Range here = new HandOff.Range((long) page << 12, 4096);
      model[page] =
          HAND_OFF.firmware().contains(here)
              ? MemoryType.BOOT_SERVICES_CODE
              : HAND_OFF.pages().contains(here)
                  ? MemoryType.BOOT_SERVICES_DATA
                  : HAND_OFF.ram().stream().anyMatch(ram -> ram.contains(here))
                      ? MemoryType.CONVENTIONAL
                      : null;
    }
  }

  private EfiStatus allocateBelow(
      DxeCore core, AllocateType kind, MemoryType type, long pages, long address) {
    LongRef memory = new LongRef(address);
    EfiStatus status = core.allocatePages(kind, type, pages, memory);
    // The last byte of the range may be at the address or below it.
    long bytes = kind == AllocateType.ANY_PAGES ? (long) PAGES << 12 : address + 1;
    long first = (bytes >> 12) - pages;
    while (first > 0 && !all(MemoryType.CONVENTIONAL, first, pages)) {
      first--;
    }
    if (first <= 0) {
      assertEquals(EfiStatus.OUT_OF_RESOURCES, status);
    } else {
      assertEquals(EfiStatus.SUCCESS, status);
      assertEquals(first << 12, memory.value);
      set(type, first, pages);
    }
    return status;
  }

  private EfiStatus allocateAt(DxeCore core, MemoryType type, long pages, long address) {
    EfiStatus status = core.allocatePages(AllocateType.ADDRESS, type, pages, new LongRef(address));
    boolean free =
        address % 4096 == 0 && address != 0 && all(MemoryType.CONVENTIONAL, address >> 12, pages);
    assertEquals(free ? EfiStatus.SUCCESS : EfiStatus.NOT_FOUND, status);
    if (free) {
      set(type, address >> 12, pages);
    }
    return status;
  }

  private EfiStatus free(DxeCore core, long pages, long address) {
    EfiStatus status = core.freePages(address, pages);
    EfiStatus expected = EfiStatus.SUCCESS;
    if (model[(int) (address >> 12)] == null) {
      expected = EfiStatus.NOT_FOUND;
    } else if (address % 4096 != 0) {
      expected = EfiStatus.INVALID_PARAMETER;
    } else {
      for (long page = address >> 12; page < (address >> 12) + pages; page++) {
        if (page >= PAGES
            || model[(int) page] == null
            || model[(int) page] == MemoryType.CONVENTIONAL) {
          expected = EfiStatus.NOT_FOUND;
        }
      }
    }
    assertEquals(expected, status);
    if (!status.isError()) {
      set(MemoryType.CONVENTIONAL, address >> 12, pages);
    }
    return status;
  }

  private boolean all(MemoryType type, long first, long pages) {
    for (long page = first; page < first + pages; page++) {
      if (page >= PAGES || model[(int) page] != type) {
        return false;
      }
    }
    return true;
  }

  private void set(MemoryType type, long first, long pages) {
    for (long page = first; page < first + pages; page++) {
      model[(int) page] = type;
    }
  }

  private void compare(DxeCore core, boolean changed, String where) {
    Ref<List<MemoryDescriptor>> map = new Ref<>();
    LongRef newKey = new LongRef();
    core.getMemoryMap(new LongRef(Long.MAX_VALUE), map, newKey);
    List<MemoryDescriptor> expected = new ArrayList<>();
    for (int page = 0; page < PAGES; ) {
      int end = page + 1;
      while (end < PAGES && model[end] == model[page]) {
        end++;
      }
      if (model[page] != null) {
        expected.add(new MemoryDescriptor(model[page], (long) page << 12, end - page, 0xF));
      }
      page = end;
    }
    assertEquals(expected, map.value, where);
    assertEquals(changed, newKey.value > key, where);
    assertEquals(!changed, newKey.value == key, where);
    key = newKey.value;
  }
}
