package dev.virtiolab.firmware.core;

import static dev.virtiolab.firmware.uefi.AllocateType.ADDRESS;
import static dev.virtiolab.firmware.uefi.AllocateType.ANY_PAGES;
import static dev.virtiolab.firmware.uefi.AllocateType.MAX_ADDRESS;
import static dev.virtiolab.firmware.uefi.EfiStatus.BUFFER_TOO_SMALL;
import static dev.virtiolab.firmware.uefi.EfiStatus.INVALID_PARAMETER;
import static dev.virtiolab.firmware.uefi.EfiStatus.NOT_FOUND;
import static dev.virtiolab.firmware.uefi.EfiStatus.OUT_OF_RESOURCES;
import static dev.virtiolab.firmware.uefi.EfiStatus.SUCCESS;
import static dev.virtiolab.firmware.uefi.MemoryType.BOOT_SERVICES_CODE;
import static dev.virtiolab.firmware.uefi.MemoryType.BOOT_SERVICES_DATA;
import static dev.virtiolab.firmware.uefi.MemoryType.CONVENTIONAL;
import static dev.virtiolab.firmware.uefi.MemoryType.RUNTIME_SERVICES_DATA;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.handoff.HandOffLayout;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.List;
import org.junit.jupiter.api.Test;

/** UEFI Specification 2.10, 7.2 "Memory Allocation Services"; edk2's Page.c. */
class PageAllocatorTest {
  private static final long TOP = Bench.RAM_BYTES;
  private static final long PAGE = 4096;

  private final Bench bench = new Bench();
  private final DxeCore core = bench.core;

  @Test
  void theMapStartsWithTheFirmwareAndTheHandOffTaken() {
    long mib = 1 << 20;
    assertEquals(
        List.of(
            descriptor(CONVENTIONAL, 0, 256),
            descriptor(BOOT_SERVICES_CODE, mib, 16),
            descriptor(CONVENTIONAL, mib + 16 * PAGE, 7 * 256 - 16),
            descriptor(BOOT_SERVICES_DATA, HandOffLayout.ADDRESS, 2),
            descriptor(CONVENTIONAL, HandOffLayout.ADDRESS + 2 * PAGE, 8 * 256 - 2)),
        bench.map());
  }

  @Test
  void anyPagesComeFromTheTopDown() {
    assertEquals(TOP - 3 * PAGE, allocate(ANY_PAGES, 3, 0));
    assertEquals(TOP - 4 * PAGE, allocate(ANY_PAGES, 1, 0));
  }

  @Test
  void maxAddressBoundsTheLastByte() {
    assertEquals(0x5FF000, allocate(MAX_ADDRESS, 1, 0x5FFFFF));
    // An address inside a page leaves that page out.
    assertEquals(0x5FE000, allocate(MAX_ADDRESS, 1, 0x5FFFFE));
    assertEquals(0x4FF000, allocate(MAX_ADDRESS, 1, 0x500000));
    assertEquals(TOP - PAGE, allocate(MAX_ADDRESS, 1, -1));
  }

  @Test
  void anAddressIsTakenExactly() {
    assertEquals(0x600000, allocate(ADDRESS, 2, 0x600000));
    assertStatus(NOT_FOUND, ADDRESS, BOOT_SERVICES_DATA, 1, 0x601000);
    assertStatus(NOT_FOUND, ADDRESS, BOOT_SERVICES_DATA, 2, 0x5FF000);
  }

  @Test
  void anAddressThatCannotBeIsNotFound() {
    for (long address : new long[] {0x600001, 0, TOP, 1L << 40, -PAGE, HandOffLayout.ADDRESS}) {
      assertStatus(NOT_FOUND, ADDRESS, BOOT_SERVICES_DATA, 1, address);
    }
    for (long pages : new long[] {0, -1, Long.MAX_VALUE, 1L << 52, TOP / PAGE}) {
      assertStatus(NOT_FOUND, ADDRESS, BOOT_SERVICES_DATA, pages, 0x600000);
    }
  }

  @Test
  void moreThanThereIsIsOutOfResources() {
    for (long pages : new long[] {0, -1, Long.MAX_VALUE, 1L << 52, TOP / PAGE}) {
      assertStatus(OUT_OF_RESOURCES, ANY_PAGES, BOOT_SERVICES_DATA, pages, 0);
    }
    assertStatus(OUT_OF_RESOURCES, MAX_ADDRESS, BOOT_SERVICES_DATA, 1, 0xFFE);
    assertStatus(OUT_OF_RESOURCES, MAX_ADDRESS, BOOT_SERVICES_DATA, 1, 0);
  }

  @Test
  void pageZeroIsNeverHandedOut() {
    assertEquals(0x1000, allocate(MAX_ADDRESS, 1, 0x1FFF));
    assertStatus(OUT_OF_RESOURCES, MAX_ADDRESS, BOOT_SERVICES_DATA, 1, 0x1FFF);
  }

  @Test
  void typesThatNobodyMayAskForAreInvalid() {
    for (MemoryType type : MemoryType.values()) {
      boolean legal =
          type != CONVENTIONAL && type != MemoryType.PERSISTENT && type != MemoryType.UNACCEPTED;
      assertStatus(legal ? SUCCESS : INVALID_PARAMETER, ANY_PAGES, type, 1, 0);
      assertEquals(legal ? SUCCESS : INVALID_PARAMETER, core.allocatePool(type, 1, new LongRef()));
    }
    assertStatus(INVALID_PARAMETER, ANY_PAGES, null, 1, 0);
    assertStatus(INVALID_PARAMETER, null, BOOT_SERVICES_DATA, 1, 0);
    assertEquals(INVALID_PARAMETER, core.allocatePages(ANY_PAGES, BOOT_SERVICES_DATA, 1, null));
  }

  @Test
  void freedPagesMergeWithTheirNeighbours() {
    List<MemoryDescriptor> before = bench.map();
    long memory = allocate(ANY_PAGES, 8, 0);
    assertEquals(SUCCESS, core.freePages(memory + 2 * PAGE, 3));
    assertEquals(before.size() + 3, bench.map().size());
    assertEquals(SUCCESS, core.freePages(memory + 5 * PAGE, 3));
    assertEquals(SUCCESS, core.freePages(memory, 2));
    assertEquals(before, bench.map());
  }

  @Test
  void oneFreeMaySpanAllocationsOfSeveralTypes() {
    List<MemoryDescriptor> before = bench.map();
    LongRef memory = new LongRef();
    core.allocatePages(ANY_PAGES, RUNTIME_SERVICES_DATA, 2, memory);
    core.allocatePages(ANY_PAGES, MemoryType.LOADER_DATA, 2, memory);
    assertEquals(SUCCESS, core.freePages(memory.value, 4));
    assertEquals(before, bench.map());
  }

  @Test
  void whatCannotBeFreedIsLeftAsItIs() {
    long memory = allocate(ADDRESS, 2, 0x600000);
    List<MemoryDescriptor> before = bench.map();
    long key = bench.mapKey();
    assertEquals(NOT_FOUND, core.freePages(TOP, 1));
    assertEquals(NOT_FOUND, core.freePages(-PAGE, 1));
    assertEquals(NOT_FOUND, core.freePages(memory, 3));
    assertEquals(NOT_FOUND, core.freePages(memory - PAGE, 2));
    assertEquals(NOT_FOUND, core.freePages(memory, -1));
    assertEquals(NOT_FOUND, core.freePages(memory, Long.MAX_VALUE));
    assertEquals(INVALID_PARAMETER, core.freePages(memory, 0));
    assertEquals(INVALID_PARAMETER, core.freePages(memory + 1, 1));
    assertEquals(before, bench.map());
    assertEquals(key, bench.mapKey());
  }

  @Test
  void theKeyGrowsWithEachChangeAndNeverReturns() {
    long key = bench.mapKey();
    assertEquals(key, bench.mapKey());
    long memory = allocate(ANY_PAGES, 1, 0);
    long afterAllocation = bench.mapKey();
    core.freePages(memory, 1);
    assertTrue(key < afterAllocation && afterAllocation < bench.mapKey());
  }

  @Test
  void aBufferTooSmallStillGetsSizeAndKey() {
    long needed = (long) bench.map().size() * MemoryDescriptor.SIZE;
    LongRef size = new LongRef(needed - 1);
    LongRef key = new LongRef(-1);
    Ref<List<MemoryDescriptor>> map = new Ref<>();
    assertEquals(BUFFER_TOO_SMALL, core.getMemoryMap(size, map, key));
    assertEquals(needed, size.value);
    assertEquals(bench.mapKey(), key.value);
    assertNull(map.value);
    assertEquals(SUCCESS, core.getMemoryMap(size, map, key));
    assertEquals(bench.map(), map.value);
    assertEquals(48, MemoryDescriptor.SIZE);
  }

  @Test
  void getMemoryMapNeedsASizeAndAPlaceForTheMap() {
    assertEquals(INVALID_PARAMETER, core.getMemoryMap(null, new Ref<>(), new LongRef()));
    assertEquals(INVALID_PARAMETER, core.getMemoryMap(new LongRef(1 << 20), null, null));
    assertEquals(SUCCESS, core.getMemoryMap(new LongRef(1 << 20), new Ref<>(), null));
  }

  @Test
  void runtimeMemoryIsMarkedInTheMap() {
    LongRef memory = new LongRef();
    core.allocatePages(ANY_PAGES, RUNTIME_SERVICES_DATA, 1, memory);
    for (MemoryDescriptor each : bench.map()) {
      assertEquals(each.type() == RUNTIME_SERVICES_DATA, each.attribute() < 0, each.toString());
    }
  }

  @Test
  void everyChangeSignalsTheMemoryMapChangeGroup() {
    bench.inGroup(EventGroups.MEMORY_MAP_CHANGE, Tpl.CALLBACK, bench.logs("changed"));
    long memory = allocate(ANY_PAGES, 1, 0);
    assertStatus(OUT_OF_RESOURCES, ANY_PAGES, BOOT_SERVICES_DATA, TOP, 0);
    assertEquals(List.of("changed"), bench.log);
    core.freePages(memory, 1);
    assertEquals(List.of("changed", "changed"), bench.log);
  }

  @Test
  void memoryServicesAboveNotifyAreABug() {
    core.raiseTpl(Tpl.HIGH_LEVEL);
    assertThrows(IllegalStateException.class, () -> allocate(ANY_PAGES, 1, 0));
    assertThrows(IllegalStateException.class, () -> core.freePages(0x600000, 1));
  }

  private static MemoryDescriptor descriptor(MemoryType type, long start, long pages) {
    return new MemoryDescriptor(type, start, pages, 0xF);
  }

  private long allocate(AllocateType type, long pages, long address) {
    LongRef memory = new LongRef(address);
    assertEquals(SUCCESS, core.allocatePages(type, BOOT_SERVICES_DATA, pages, memory));
    return memory.value;
  }

  private void assertStatus(
      EfiStatus expected, AllocateType type, MemoryType memoryType, long pages, long address) {
    LongRef memory = new LongRef(address);
    assertEquals(
        expected,
        core.allocatePages(type, memoryType, pages, memory),
        () -> "pages=%d address=0x%x".formatted(pages, address));
    if (expected.isError()) {
      assertEquals(address, memory.value);
    }
  }
}
