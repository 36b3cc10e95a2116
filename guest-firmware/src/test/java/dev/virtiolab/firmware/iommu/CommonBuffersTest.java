package dev.virtiolab.firmware.iommu;

import static dev.virtiolab.firmware.uefi.DmaOperation.*;
import static org.junit.jupiter.api.Assertions.*;

import dev.virtiolab.firmware.fixture.FakeSevMemory;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IoMmu;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.MemoryType;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** CommonBuffer mappings, AllocateBuffer and FreeBuffer, without reserved slots. */
class CommonBuffersTest {
  private static final long DUAL = IoMmu.ATTRIBUTE_DUAL_ADDRESS_CYCLE;
  private final IoMmuBench bench = new IoMmuBench(BounceSlots.NONE);

  @Test
  void aCommonBufferIsPlaintextInPlaceWhileItIsMappedAndOnlyThen() {
    long buffer = bench.commonBuffer(1, 0);
    bench.putText(buffer, "ring");
    assertEquals(FakeSevMemory.encrypted(buffer, (byte) 'r'), bench.memory.deviceByte(buffer));

    DmaMapping mapping = bench.mapped(BUS_MASTER_COMMON_BUFFER, buffer, 4);
    assertEquals(buffer, bench.device.value);
    assertEquals("ring", bench.deviceText(buffer, 4));
    assertEquals("ring", bench.text(buffer, 4));
    assertEquals(Set.of(buffer), bench.memory.sharedPages());
    bench.deviceWrites(buffer, "RING");
    assertEquals("RING", bench.text(buffer, 4));

    bench.unmap(mapping);
    assertEquals("RING", bench.text(buffer, 4));
    assertEquals(FakeSevMemory.encrypted(buffer, (byte) 'R'), bench.memory.deviceByte(buffer));
    assertEquals(Set.of(), bench.memory.sharedPages());
  }

  @Test
  void whatIsNotMappedOfABuffersLastPageIsNeverPlaintextAndSurvives() {
    long buffer = bench.commonBuffer(1, 0);
    bench.putText(buffer, "ringsecret");
    DmaMapping mapping = bench.mapped(BUS_MASTER_COMMON_BUFFER, buffer, 4);
    assertNotEquals("secret", bench.deviceText(buffer + 4, 6));
    bench.unmap(mapping);
    assertEquals("ringsecret", bench.text(buffer, 10));
  }

  @Test
  void onlyThePagesThatAreMappedAreShared() {
    long buffer = bench.commonBuffer(3, 0);
    bench.mapped(BUS_MASTER_COMMON_BUFFER, buffer, 4097);
    assertEquals(Set.of(buffer, buffer + 4096), bench.memory.sharedPages());
  }

  @Test
  void aBufferTakesAHeaderPageAndAStashOfBootServicesData() {
    long free = bench.freePages();
    LongRef host = new LongRef();
    assertEquals(
        EfiStatus.SUCCESS,
        bench.ioMmu.allocateBuffer(
            AllocateType.ANY_PAGES, MemoryType.RUNTIME_SERVICES_DATA, 3, host, 0));
    assertEquals(free - 7, bench.freePages());
    assertEquals(
        4,
        bench.memoryMap().stream()
            .filter(descriptor -> descriptor.type() == MemoryType.RUNTIME_SERVICES_DATA)
            .mapToLong(MemoryDescriptor::pages)
            .sum());
    assertEquals(CommonBuffer.SIGNATURE, bench.memory.getLong(host.value - 4096));
    assertFalse(bench.memory.isShared(host.value - 4096));
    assertEquals(EfiStatus.SUCCESS, bench.ioMmu.freeBuffer(3, host.value));
    assertEquals(free, bench.freePages());
  }

  @Test
  void aBufferLiesBelow4GibUnlessTheCallerCanAddressMore() {
    assertTrue(bench.commonBuffer(1, 0) < IoMmuBench.FOUR_GIB);
    assertTrue(bench.commonBuffer(1, DUAL) >= IoMmuBench.FOUR_GIB);
  }

  @Test
  void a32BitOperationAbove4GibIsUnsupportedAndA64BitOneIsNot() {
    long buffer = bench.commonBuffer(1, DUAL);
    assertEquals(EfiStatus.UNSUPPORTED, bench.map(BUS_MASTER_COMMON_BUFFER, buffer, 4));
    assertEquals(0, bench.bytes.value);
    assertEquals(Set.of(), bench.memory.sharedPages());
    bench.mapped(BUS_MASTER_COMMON_BUFFER64, buffer, 4);
    assertEquals(buffer, bench.device.value);
  }

  @Test
  void aRangeThatEndsAbove4GibIsUnsupportedToo() {
    long last = IoMmuBench.FOUR_GIB - 4096;
    assertEquals(EfiStatus.UNSUPPORTED, bench.map(BUS_MASTER_COMMON_BUFFER, last, 4097));
    // Reachable, but nobody allocated it.
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.map(BUS_MASTER_COMMON_BUFFER, last, 4096));
    assertEquals(
        EfiStatus.UNSUPPORTED, bench.map(BUS_MASTER_COMMON_BUFFER, -4096, 4096), "unsigned");
    assertEquals(EfiStatus.UNSUPPORTED, bench.map(BUS_MASTER_COMMON_BUFFER, 4096, -1));
  }

  @Test
  void onlyWhatAllocateBufferMadeCanBeMapped() {
    long buffer = bench.commonBuffer(2, 0);
    for (long wrong : new long[] {bench.pagesBelow4Gib(1), buffer + 4096, buffer + 8}) {
      assertEquals(EfiStatus.INVALID_PARAMETER, bench.map(BUS_MASTER_COMMON_BUFFER, wrong, 4));
      assertEquals(0, bench.bytes.value);
    }
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.map(BUS_MASTER_COMMON_BUFFER, buffer, 8193));
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.map(BUS_MASTER_COMMON_BUFFER, buffer, 0));
    bench.mapped(BUS_MASTER_COMMON_BUFFER, buffer, 8192);
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.map(BUS_MASTER_COMMON_BUFFER, buffer, 4));
  }

  @Test
  void allocateBufferChecksAttributesThenAddressThenTypeThenSize() {
    IoMmuDxe ioMmu = bench.ioMmu;
    LongRef host = new LongRef();
    long free = bench.freePages();
    AllocateType any = AllocateType.ANY_PAGES;
    assertEquals(EfiStatus.UNSUPPORTED, ioMmu.allocateBuffer(any, MemoryType.RESERVED, 0, null, 1));
    assertEquals(
        EfiStatus.INVALID_PARAMETER, ioMmu.allocateBuffer(any, MemoryType.RESERVED, 0, null, 0));
    for (MemoryType type : MemoryType.values()) {
      if (type != MemoryType.BOOT_SERVICES_DATA && type != MemoryType.RUNTIME_SERVICES_DATA) {
        assertEquals(
            EfiStatus.INVALID_PARAMETER, ioMmu.allocateBuffer(any, type, 0, host, 0), "" + type);
      }
    }
    for (long pages : new long[] {0, -1, -2, 1L << 30}) {
      assertEquals(
          EfiStatus.OUT_OF_RESOURCES,
          ioMmu.allocateBuffer(any, MemoryType.BOOT_SERVICES_DATA, pages, host, 0));
    }
    assertEquals(free, bench.freePages());
    // 0x880: write combining and cached, which change nothing here.
    assertEquals(
        EfiStatus.SUCCESS,
        ioMmu.allocateBuffer(null, MemoryType.BOOT_SERVICES_DATA, 1, host, 0x880 | DUAL));
  }

  @Test
  void aStashIsGivenBackWhereTheBufferItselfFindsNoRoom() {
    LongRef low = new LongRef(IoMmuBench.FOUR_GIB - 1);
    while (!bench
        .core
        .allocatePages(AllocateType.MAX_ADDRESS, MemoryType.BOOT_SERVICES_DATA, 256, low)
        .isError()) {
      low.value = IoMmuBench.FOUR_GIB - 1;
    }
    long free = bench.freePages();
    // There is room for a stash of 900 pages above 4 GiB, and for nothing below.
    assertEquals(
        EfiStatus.OUT_OF_RESOURCES,
        bench.ioMmu.allocateBuffer(
            AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 900, new LongRef(), 0));
    assertEquals(free, bench.freePages());
  }

  @Test
  void freeBufferRefusesWhatItDidNotAllocateAndWhatIsStillMapped() {
    long buffer = bench.commonBuffer(2, 0);
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.ioMmu.freeBuffer(1, buffer));
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.ioMmu.freeBuffer(2, buffer + 4096));
    DmaMapping mapping = bench.mapped(BUS_MASTER_COMMON_BUFFER, buffer, 5000);
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.ioMmu.freeBuffer(2, buffer));
    bench.unmap(mapping);
    assertEquals(EfiStatus.SUCCESS, bench.ioMmu.freeBuffer(2, buffer));
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.ioMmu.freeBuffer(2, buffer));
  }

  @Test
  void aGarbledHeaderPageDoesNotLeadTheDriverAstray() {
    long buffer = bench.commonBuffer(1, 0);
    for (int i = 0; i < 4096; i++) {
      bench.memory.deviceWrite(buffer - 4096 + i, (byte) 0xa5);
    }
    bench.putText(buffer, "ring");
    DmaMapping mapping = bench.mapped(BUS_MASTER_COMMON_BUFFER, buffer, 4);
    assertEquals("ring", bench.deviceText(buffer, 4));
    bench.unmap(mapping);
    assertEquals("ring", bench.text(buffer, 4));
    assertEquals(EfiStatus.SUCCESS, bench.ioMmu.freeBuffer(1, buffer));
  }
}
