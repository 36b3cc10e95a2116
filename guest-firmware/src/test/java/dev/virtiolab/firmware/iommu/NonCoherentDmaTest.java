package dev.virtiolab.firmware.iommu;

import static dev.virtiolab.firmware.uefi.DmaOperation.*;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IoMmu;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Map, Unmap, Flush and AllocateBuffer where bus masters do not see the CPU's cache. */
class NonCoherentDmaTest {
  private static final long OFFSET = NonCoherentBench.OFFSET;
  private static final long FOUR_GIB = NonCoherentBench.FOUR_GIB;
  private static final String STALE = String.valueOf(NonCoherentBench.STALE);

  private final NonCoherentBench bench = new NonCoherentBench();

  // ---- Read

  @Test
  void aReadIsWrittenBackInPlaceAndStaysInTheCache() {
    long client = bench.pages(1) + 100;
    bench.putText(client, "a frame");
    assertEquals(STALE.repeat(7), bench.deviceText(client + OFFSET, 7));

    DmaMapping mapping = bench.mapped(BUS_MASTER_READ64, client, 7);

    assertEquals(client + OFFSET, bench.device.value);
    assertEquals("a frame", bench.deviceText(bench.device.value, 7));
    assertTrue(bench.memory.isPresent(client));
    bench.unmap(mapping);
    assertEquals("a frame", bench.text(client, 7));
    assertEquals(0, bench.memory.invalidated());
    assertEquals(0, bench.counters.bytesBouncedToDevice());
  }

  @Test
  void aReadWritesBackEveryLineThatItTouches() {
    long client = bench.pages(1) + 60;
    bench.putText(client, "x".repeat(72));
    bench.mapped(BUS_MASTER_READ64, client, 72);
    assertEquals("x".repeat(72), bench.deviceText(bench.device.value, 72));
    assertEquals(3, bench.memory.writtenBack());
  }

  // ---- Write

  @Test
  void aWriteOfWholeLinesIsInPlaceAndTheCpuSeesItAfterUnmap() {
    long client = bench.pages(1);
    bench.putText(client, "o".repeat(128));

    DmaMapping mapping = bench.mapped(BUS_MASTER_WRITE64, client, 128);

    assertEquals(client + OFFSET, bench.device.value);
    assertFalse(bench.memory.isPresent(client));
    bench.text(client, 128); // a look too early brings the old bytes into the cache
    bench.deviceWrites(bench.device.value, "new");
    assertEquals("ooo", bench.text(client, 3));
    bench.unmap(mapping);
    assertEquals("newo", bench.text(client, 4), "and what the device left alone is the client's");
    assertEquals(0, bench.memory.dirtyLost());
    assertEquals(0, bench.counters.bytesBouncedFromDevice());
  }

  @Test
  void aWriteThatDoesNotBeginOrEndWithALineIsBounced() {
    long client = bench.pages(1);
    for (long[] range : new long[][] {{1, 127}, {0, 127}, {8, 64}, {63, 1}, {32, 4000}}) {
      bench.putText(client, "c".repeat(4096));
      long host = client + range[0];
      DmaMapping mapping = bench.mapped(BUS_MASTER_WRITE64, host, range[1]);
      assertNotEquals(host + OFFSET, bench.device.value);
      bench.deviceWrites(bench.device.value, "d");
      bench.putText(client, "C".repeat((int) range[0])); // the neighbours are free meanwhile
      assertEquals("c", bench.text(host, 1));
      bench.unmap(mapping);
      String expected = "C".repeat((int) range[0]) + "d" + "c".repeat((int) (4096 - range[0] - 1));
      assertEquals(expected, bench.text(client, 4096));
      assertEquals(0, bench.memory.dirtyLost());
    }
  }

  /** What a driver would see that did not bounce: why unaligned ends do. */
  @Test
  void inPlaceAnUnalignedWriteWouldBeClobberedByItsNeighbour() {
    long client = bench.pages(1);
    bench.memory.writeBackInvalidate(client, 64);
    bench.deviceWrites(client + 32 + OFFSET, "received");
    bench.putText(client, "neighbour");
    bench.memory.writeBack(client, 64);
    // The line was filled after the device wrote, so this much is well; one that came before is
    // not.
    assertEquals("received", bench.deviceText(client + 32 + OFFSET, 8));
    bench.deviceWrites(client + 32 + OFFSET, "later on");
    bench.putText(client, "Neighbour");
    bench.memory.writeBack(client, 64);
    assertEquals("received", bench.deviceText(client + 32 + OFFSET, 8));
  }

  @Test
  void aBouncedWriteKeepsWhatTheDeviceLeavesAlone() {
    long first = bench.pages(1);
    bench.putText(first, "secret of another driver");
    bench.unmap(bench.mapped(BUS_MASTER_WRITE64, first, 24));
    long client = bench.pages(1);
    bench.putText(client, "before, and after");
    DmaMapping mapping = bench.mapped(BUS_MASTER_WRITE64, client, 17);
    bench.deviceWrites(bench.device.value, "BEFORE");
    bench.unmap(mapping);
    assertEquals("BEFORE, and after", bench.text(client, 17));
  }

  @Test
  void aBouncedWriteShowsWhatTheDeviceWroteThoughTheBufferWasUsedBefore() {
    long client = bench.pages(1);
    for (String text : List.of("first", "other", "third")) {
      DmaMapping mapping = bench.mapped(BUS_MASTER_WRITE64, client + 1, 5);
      bench.deviceWrites(bench.device.value, text);
      bench.unmap(mapping);
      assertEquals(text, bench.text(client + 1, 5));
    }
  }

  @Test
  void aWriteOnUncachedPagesNeedsNeitherBounceNorMaintenance() {
    long buffer = bench.commonBuffer(1, IoMmu.ATTRIBUTE_DUAL_ADDRESS_CYCLE);
    DmaMapping mapping = bench.mapped(BUS_MASTER_WRITE64, buffer + 3, 5);
    assertEquals(buffer + 3 + OFFSET, bench.device.value);
    bench.deviceWrites(bench.device.value, "seen!");
    assertEquals("seen!", bench.text(buffer + 3, 5));
    bench.unmap(mapping);
    assertEquals("seen!", bench.text(buffer + 3, 5));
  }

  // ---- Flush

  @Test
  void flushLetsTheCpuSeeWhatWasWrittenToMappingsThatAreStillOpen() {
    long inPlace = bench.pages(1);
    long bounced = bench.pages(1) + 1;
    bench.text(inPlace, 4);
    bench.mapped(BUS_MASTER_WRITE64, inPlace, 64);
    bench.text(inPlace, 4);
    bench.deviceWrites(bench.device.value, "in place");
    DmaMapping second = bench.mapped(BUS_MASTER_WRITE64, bounced, 7);
    bench.deviceWrites(bench.device.value, "bounced");
    assertEquals(STALE.repeat(8), bench.text(inPlace, 8));
    assertEquals(STALE.repeat(7), bench.text(bounced, 7));

    assertEquals(EfiStatus.SUCCESS, bench.dma.flush());

    assertEquals("in place", bench.text(inPlace, 8));
    assertEquals("bounced", bench.text(bounced, 7));
    bench.deviceWrites(bench.device.value, "BOUNCED");
    bench.unmap(second);
    assertEquals("BOUNCED", bench.text(bounced, 7));
  }

  @Test
  void flushThrowsNothingOfAReadMappingAway() {
    long client = bench.pages(1);
    bench.putText(client, "sent");
    bench.mapped(BUS_MASTER_READ64, client, 4);
    bench.putText(client, "next");
    bench.dma.flush();
    assertEquals("next", bench.text(client, 4));
  }

  // ---- what 32 bits of bus address reach

  @Test
  void a32BitOperationThatEndsAbove4GibOnTheBusIsBouncedBelow() {
    long high = bench.pages(1);
    long middle = bench.pagesBelow(FOUR_GIB, 1); // CPU addresses below 4 GiB, bus addresses not
    assertTrue(middle >= OFFSET);
    for (long client : new long[] {high, middle}) {
      bench.putText(client, "a frame");
      DmaMapping read = bench.mapped(BUS_MASTER_READ, client, 7);
      assertTrue(bench.device.value < FOUR_GIB);
      assertEquals("a frame", bench.deviceText(bench.device.value, 7));
      bench.unmap(read);
      DmaMapping write = bench.mapped(BUS_MASTER_WRITE, client, 64);
      assertTrue(bench.device.value < FOUR_GIB);
      bench.deviceWrites(bench.device.value, "received");
      bench.unmap(write);
      assertEquals("received", bench.text(client, 8));
      bench.mapped(BUS_MASTER_READ64, client, 7);
      assertEquals(client + OFFSET, bench.device.value);
    }
    long low = bench.pagesBelow(16 << 20, 1);
    bench.mapped(BUS_MASTER_READ, low, 7);
    assertEquals(low + OFFSET, bench.device.value);
  }

  @Test
  void aCommonBufferIsNotBouncedButUnsupportedOutOf32Bits() {
    long high = bench.commonBuffer(1, IoMmu.ATTRIBUTE_DUAL_ADDRESS_CYCLE);
    assertTrue(high >= FOUR_GIB);
    assertEquals(EfiStatus.UNSUPPORTED, bench.map(BUS_MASTER_COMMON_BUFFER, high, 8));
    bench.mapped(BUS_MASTER_COMMON_BUFFER64, high, 8);
    long low = bench.commonBuffer(1, 0);
    assertTrue(low + OFFSET < FOUR_GIB);
    bench.mapped(BUS_MASTER_COMMON_BUFFER, low, 8);
    assertEquals(low + OFFSET, bench.device.value);
  }

  // ---- CommonBuffer

  @Test
  void aCommonBufferIsUncachedSoThatBothSeeEachOtherAtOnce() {
    long buffer = bench.commonBuffer(2, 0);
    assertEquals(Set.of(buffer, buffer + 4096), bench.memory.uncachedPages());
    DmaMapping mapping = bench.mapped(BUS_MASTER_COMMON_BUFFER, buffer, 8192);
    bench.putText(buffer + 4090, "avail");
    assertEquals("avail", bench.deviceText(bench.device.value + 4090, 5));
    bench.deviceWrites(bench.device.value + 4090, "used!");
    assertEquals("used!", bench.text(buffer + 4090, 5));
    bench.unmap(mapping);
    assertEquals("used!", bench.text(buffer + 4090, 5));
  }

  @Test
  void allocateBufferLeavesNoLineBehindInTheCache() {
    // Every page there is was in the cache once, dirty.
    long used = bench.pagesBelow(16 << 20, 3);
    bench.putText(used, "d".repeat(3 * 4096));
    bench.core.freePages(used, 3);
    bench.core.allocatePages(
        AllocateType.ADDRESS, MemoryType.BOOT_SERVICES_DATA, 1, new LongRef(used + 8192));
    long buffer = bench.commonBuffer(2, 0);
    assertEquals(used, buffer, "the pages just freed");
    assertEquals(0, bench.memory.stranded());
    assertEquals("d".repeat(8192), bench.text(buffer, 8192));
    assertEquals("d".repeat(8192), bench.deviceText(buffer + OFFSET, 8192));
  }

  @Test
  void freeBufferGivesThePagesBackCached() {
    long free = bench.freePages();
    long buffer = bench.commonBuffer(2, 0);
    bench.putText(buffer, "mine");
    assertEquals(EfiStatus.SUCCESS, bench.dma.freeBuffer(2, buffer));
    assertEquals(Set.of(), bench.memory.uncachedPages());
    assertEquals(free, bench.freePages());
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.dma.freeBuffer(2, buffer));
  }

  @Test
  void memoryThatAllocateBufferDidNotGiveIsNoCommonBuffer() {
    long client = bench.pages(1);
    assertEquals(EfiStatus.UNSUPPORTED, bench.map(BUS_MASTER_COMMON_BUFFER64, client, 4096));
    assertEquals(0, bench.bytes.value);
    bench.pagesBelow(16 << 20, 1); // so that there is RAM behind the buffer
    long buffer = bench.commonBuffer(1, 0);
    assertEquals(EfiStatus.UNSUPPORTED, bench.map(BUS_MASTER_COMMON_BUFFER, buffer, 4097));
    assertEquals(EfiStatus.UNSUPPORTED, bench.map(BUS_MASTER_COMMON_BUFFER, buffer - 1, 10));
    assertEquals(EfiStatus.UNSUPPORTED, bench.map(BUS_MASTER_COMMON_BUFFER, buffer + 4096, 1));
    bench.mapped(BUS_MASTER_COMMON_BUFFER, buffer + 4000, 96);
  }

  @Test
  void freeBufferRefusesWhatIsMappedOrNotAsAllocated() {
    long buffer = bench.commonBuffer(2, 0);
    DmaMapping first = bench.mapped(BUS_MASTER_COMMON_BUFFER, buffer, 8);
    DmaMapping second = bench.mapped(BUS_MASTER_COMMON_BUFFER, buffer + 8, 8);
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.dma.freeBuffer(2, buffer));
    bench.unmap(first);
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.dma.freeBuffer(2, buffer));
    bench.unmap(second);
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.dma.freeBuffer(1, buffer));
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.dma.freeBuffer(1, buffer + 4096));
    assertEquals(EfiStatus.SUCCESS, bench.dma.freeBuffer(2, buffer));
  }

  @Test
  void allocateBufferChecksInEdk2sOrder() {
    LongRef host = new LongRef(-5);
    assertEquals(EfiStatus.UNSUPPORTED, allocate(MemoryType.LOADER_DATA, 1, null, 1));
    assertEquals(EfiStatus.INVALID_PARAMETER, allocate(MemoryType.BOOT_SERVICES_DATA, 1, null, 0));
    assertEquals(EfiStatus.INVALID_PARAMETER, allocate(MemoryType.LOADER_DATA, 1, host, 0));
    assertEquals(EfiStatus.OUT_OF_RESOURCES, allocate(MemoryType.BOOT_SERVICES_DATA, 0, host, 0));
    assertEquals(
        EfiStatus.OUT_OF_RESOURCES, allocate(MemoryType.BOOT_SERVICES_DATA, 1 << 30, host, 0));
    assertEquals(-5, host.value);
    assertEquals(
        EfiStatus.SUCCESS,
        allocate(
            MemoryType.RUNTIME_SERVICES_DATA,
            1,
            host,
            IoMmu.ATTRIBUTE_MEMORY_CACHED | IoMmu.ATTRIBUTE_MEMORY_WRITE_COMBINE));
    assertTrue(bench.memory.isUncached(host.value), "a wish for cached memory is not heard");
  }

  private EfiStatus allocate(MemoryType type, long pages, LongRef host, long attributes) {
    return bench.dma.allocateBuffer(AllocateType.ANY_PAGES, type, pages, host, attributes);
  }

  // ---- what is refused

  @Test
  void nullsAreRefusedFirstAndLeaveTheLengthAlone() {
    LongRef bytes = new LongRef(5);
    LongRef device = new LongRef();
    Ref<DmaMapping> mapping = new Ref<>();
    long client = bench.pages(1);
    assertEquals(
        EfiStatus.INVALID_PARAMETER, bench.dma.map(BUS_MASTER_READ, 0, bytes, device, mapping));
    assertEquals(
        EfiStatus.INVALID_PARAMETER, bench.dma.map(BUS_MASTER_READ, client, null, device, mapping));
    assertEquals(
        EfiStatus.INVALID_PARAMETER, bench.dma.map(BUS_MASTER_READ, client, bytes, null, mapping));
    assertEquals(
        EfiStatus.INVALID_PARAMETER, bench.dma.map(BUS_MASTER_READ, client, bytes, device, null));
    assertEquals(5, bytes.value);
    assertNull(mapping.value);
    assertEquals(4, bench.counters.failedMaps());
  }

  @Test
  void everyLaterFailureZeroesTheLengthAndLeavesNothingBehind() {
    long client = bench.pages(1);
    long free = bench.freePages();
    long low = bench.pagesBelow(16 << 20, 1);
    for (EfiStatus status :
        List.of(
            bench.map(null, client, 9),
            bench.map(BUS_MASTER_READ64, client, 0),
            bench.map(BUS_MASTER_READ64, client, -1),
            bench.map(BUS_MASTER_WRITE64, client, 1L << 40),
            bench.map(BUS_MASTER_WRITE64, 1L << 45, 64),
            bench.map(BUS_MASTER_READ64, (16 << 20) - 64, 128), // and then a hole
            bench.map(BUS_MASTER_COMMON_BUFFER64, 20 << 20, 4096), // in it
            bench.map(BUS_MASTER_WRITE, low, 16 << 20),
            bench.map(BUS_MASTER_READ, -4096, 8192))) {
      assertEquals(EfiStatus.INVALID_PARAMETER, status);
      assertEquals(0, bench.bytes.value);
    }
    // 4 MiB do not fit where 32 bits reach, once most of that is taken.
    bench.pagesBelow(16 << 20, 1900);
    bench.pagesBelow(16 << 20, 1700);
    assertEquals(
        EfiStatus.OUT_OF_RESOURCES, bench.map(BUS_MASTER_READ, NonCoherentBench.FOUR_GIB, 4 << 20));
    assertEquals(0, bench.bytes.value);
    assertEquals(free - 1 - 3600, bench.freePages());
    assertEquals(0, bench.dma.openMappings());
    assertNull(bench.mapping.value);
    assertEquals(-77, bench.device.value);
    assertEquals(10, bench.counters.failedMaps());
  }

  @Test
  void unmapOfWhatIsNoMappingIsRefusedAndCounted() {
    long client = bench.pages(1);
    DmaMapping gone = bench.mapped(BUS_MASTER_READ64, client, 4);
    bench.unmap(gone);
    DmaMapping foreign = new NonCoherentBench().mapped(BUS_MASTER_READ64, client, 4);
    for (DmaMapping none : new DmaMapping[] {null, gone, foreign, new DmaMapping() {}}) {
      assertEquals(EfiStatus.INVALID_PARAMETER, bench.dma.unmap(none));
    }
    assertEquals(4, bench.counters.invalidUnmaps());
    assertEquals(1, bench.counters.unmaps());
  }

  @Test
  void setAttributeTakesOnlyTheAccessThatTheOperationImplies() {
    long client = bench.pages(1);
    long common = bench.commonBuffer(1, 0);
    for (DmaOperation operation : DmaOperation.values()) {
      boolean read = operation == BUS_MASTER_READ || operation == BUS_MASTER_READ64;
      boolean write = operation == BUS_MASTER_WRITE || operation == BUS_MASTER_WRITE64;
      long implied = read ? 1 : write ? 2 : 3;
      DmaMapping mapping = bench.mapped(operation, read || write ? client : common, 8);
      for (long access = 0; access < 5; access++) {
        assertEquals(
            access == 0 || access == implied ? EfiStatus.SUCCESS : EfiStatus.INVALID_PARAMETER,
            bench.dma.setAttribute(null, mapping, access));
      }
      bench.unmap(mapping);
      assertEquals(EfiStatus.INVALID_PARAMETER, bench.dma.setAttribute(null, mapping, 0));
    }
  }

  // ---- pools

  @Test
  void bounceBuffersAreUsedAgainAndDoNotOverlapWhileTheyAreOut() {
    long client = bench.pages(1);
    List<DmaMapping> out = new ArrayList<>();
    Set<Long> addresses = new HashSet<>();
    for (int i = 0; i < BouncePool.KEPT_PAGES + 10; i++) {
      out.add(bench.mapped(BUS_MASTER_WRITE64, client + 1, 5));
      assertTrue(addresses.add(bench.device.value & -4096L), "a page twice");
    }
    long free = bench.freePages();
    out.forEach(bench::unmap);
    assertEquals(free + 10, bench.freePages(), "as many are kept as shall be");
    bench.mapped(BUS_MASTER_WRITE64, client + 1, 5);
    assertEquals(free + 10, bench.freePages());
    assertTrue(addresses.contains(bench.device.value & -4096L));
  }

  @Test
  void aBounceBufferIsAsLargeAsItNeedsToBe() {
    long client = bench.pages(40);
    for (int pages : new int[] {1, 2, 3, 4, 5, 8, 9, 16, 17, 33}) {
      int bytes = pages * 4096 - 4095;
      DmaMapping first = bench.mapped(BUS_MASTER_WRITE64, client + 1, bytes);
      long start = bench.device.value;
      bench.mapped(BUS_MASTER_WRITE64, client + 1, bytes);
      assertTrue(Math.abs(start - bench.device.value) >= pages * 4096L, "they overlap");
      bench.deviceWrites(start + bytes - 1, "!");
      bench.unmap(first);
      assertEquals("!", bench.text(client + bytes, 1));
    }
  }

  // ---- ExitBootServices

  @Test
  void atExitBootServicesWhatWasReceivedIsTakenIn() {
    long inPlace = bench.pages(1);
    long bounced = bench.pages(1) + 1;
    DmaMapping first = bench.mapped(BUS_MASTER_WRITE64, inPlace, 64);
    bench.text(inPlace, 4);
    bench.deviceWrites(bench.device.value, "rx 1");
    bench.mapped(BUS_MASTER_WRITE64, bounced, 4);
    bench.deviceWrites(bench.device.value, "rx 2");
    long ring = bench.commonBuffer(1, 0);
    bench.mapped(BUS_MASTER_COMMON_BUFFER, ring, 4096);
    bench.deviceWrites(bench.device.value, "used");

    assertEquals(EfiStatus.SUCCESS, bench.exitBootServices());

    assertEquals("rx 1", bench.text(inPlace, 4));
    assertEquals("rx 2", bench.text(bounced, 4));
    assertEquals("used", bench.text(ring, 4));
    assertEquals(0, bench.dma.openMappings());
    assertEquals(0, bench.counters.openMappings());
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.dma.unmap(first), "too late");
    assertEquals(1, bench.counters.invalidUnmaps());
  }

  @Test
  void onceTheMapIsLockedUnmapStillTakesInAndFreesNothing() {
    long client = bench.pages(20);
    DmaMapping large = bench.mapped(BUS_MASTER_WRITE64, client + 1, 18 * 4096);
    bench.deviceWrites(bench.device.value, "late");
    long free = bench.freePages();
    bench.dma.lockMemoryMap();
    bench.unmap(large);
    assertEquals("late", bench.text(client + 1, 4));
    assertEquals(free, bench.freePages());
    assertNotSame(large, bench.mapped(BUS_MASTER_READ64, client, 4));
  }

  @Test
  void theTeardownLeavesTheMemoryMapAsItWasAccepted() {
    long client = bench.pages(20);
    bench.mapped(BUS_MASTER_WRITE64, client + 1, 5);
    bench.mapped(BUS_MASTER_READ, client, 18 * 4096);
    Object accepted = bench.memoryMap();
    bench.dma.unmapAll();
    bench.dma.releaseSlots();
    assertEquals(accepted, bench.memoryMap());
    assertEquals(0, bench.dma.openMappings());
  }

  @Test
  void aFailedExitBootServicesTearsNothingDown() {
    DmaMapping mapping = bench.mapped(BUS_MASTER_READ64, bench.pages(1), 6);
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.core.exitBootServices(-1));
    assertEquals(1, bench.dma.openMappings());
    bench.unmap(mapping);
  }
}
