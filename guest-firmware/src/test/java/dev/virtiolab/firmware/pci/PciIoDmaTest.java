package dev.virtiolab.firmware.pci;

import static dev.virtiolab.firmware.uefi.DmaOperation.*;
import static org.junit.jupiter.api.Assertions.*;

import dev.virtiolab.firmware.pci.FakePci.Function;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.IoMmu;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.PciIo.AttributeOperation;
import dev.virtiolab.firmware.uefi.Ref;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Map, Unmap, AllocateBuffer and FreeBuffer of PciIo, with an IOMMU protocol and without. */
class PciIoDmaTest {
  private static final long DUAL = PciIo.ATTRIBUTE_DUAL_ADDRESS_CYCLE;
  private static final long ABOVE = PciBench.FOUR_GIB + 0x1000;

  private final LongRef bytes = new LongRef(100);
  private final LongRef device = new LongRef(-1);
  private final Ref<DmaMapping> mapping = new Ref<>();
  private final PciBench bench = new PciBench();
  private PciIo pciIo;

  private void start(long attributes) {
    pciIo = bench.startOne(new Function(4, 0));
    pciIo.attributes(AttributeOperation.ENABLE, attributes, null);
  }

  private EfiStatus map(DmaOperation operation, long host) {
    return pciIo.map(operation, host, bytes, device, mapping);
  }

  @Test
  void theOperationIsCheckedThenTheNulls() {
    start(0);
    assertEquals(EfiStatus.INVALID_PARAMETER, map(null, 0x5000));
    for (DmaOperation wide :
        new DmaOperation[] {BUS_MASTER_READ64, BUS_MASTER_WRITE64, BUS_MASTER_COMMON_BUFFER64}) {
      assertEquals(EfiStatus.INVALID_PARAMETER, map(wide, 0x5000));
    }
    assertEquals(EfiStatus.INVALID_PARAMETER, map(BUS_MASTER_READ, 0));
    assertEquals(
        EfiStatus.INVALID_PARAMETER, pciIo.map(BUS_MASTER_READ, 0x5000, null, device, mapping));
    assertEquals(
        EfiStatus.INVALID_PARAMETER, pciIo.map(BUS_MASTER_READ, 0x5000, bytes, null, mapping));
    assertEquals(
        EfiStatus.INVALID_PARAMETER, pciIo.map(BUS_MASTER_READ, 0x5000, bytes, device, null));
    assertEquals(100, bytes.value);
  }

  @Test
  void withoutAnIommuTheDeviceGetsTheHostsAddressWhereItReachesIt() {
    start(0);
    assertEquals(EfiStatus.SUCCESS, map(BUS_MASTER_READ, 0x5004));
    assertEquals(0x5004, device.value);
    assertEquals(100, bytes.value);
    assertEquals(EfiStatus.SUCCESS, pciIo.unmap(mapping.value));
    bytes.value = 0x1000;
    assertEquals(
        EfiStatus.SUCCESS, map(BUS_MASTER_COMMON_BUFFER, PciBench.FOUR_GIB - 0x1000), "the last");
    assertEquals(EfiStatus.UNSUPPORTED, map(BUS_MASTER_COMMON_BUFFER, PciBench.FOUR_GIB - 0xfff));
    assertEquals(2, bench.counters.maps());
    assertEquals(1, bench.counters.unmaps());
    assertEquals(1, bench.counters.failedMaps());
    assertEquals(0, bench.counters.bytesBouncedToDevice());
  }

  @Test
  void aDeviceOf32BitsBouncesAReadAbove4Gib() {
    start(0);
    bench.memory.putByte(ABOVE, (byte) 42);
    long free = freePages();
    assertEquals(EfiStatus.SUCCESS, map(BUS_MASTER_READ, ABOVE));
    assertTrue(device.value < PciBench.FOUR_GIB);
    assertEquals(42, bench.memory.getByte(device.value));
    assertEquals(100, bench.counters.bytesBouncedToDevice());
    bench.memory.putByte(device.value, (byte) 43);
    assertEquals(EfiStatus.SUCCESS, pciIo.unmap(mapping.value));
    assertEquals(42, bench.memory.getByte(ABOVE), "a read is not written back");
    assertEquals(free, freePages());
  }

  @Test
  void andAWriteWhichComesBackAtUnmap() {
    start(0);
    bench.memory.putByte(ABOVE, (byte) 42);
    assertEquals(EfiStatus.SUCCESS, map(BUS_MASTER_WRITE, ABOVE));
    bench.memory.putByte(device.value, (byte) 43);
    assertEquals(42, bench.memory.getByte(ABOVE));
    assertEquals(EfiStatus.SUCCESS, pciIo.unmap(mapping.value));
    assertEquals(43, bench.memory.getByte(ABOVE));
    assertEquals(100, bench.counters.bytesBouncedFromDevice());
  }

  @Test
  void aCommonBufferAbove4GibIsUnsupportedAndKeepsItsLength() {
    start(0);
    assertEquals(EfiStatus.UNSUPPORTED, map(BUS_MASTER_COMMON_BUFFER, ABOVE));
    assertEquals(100, bytes.value);
  }

  @Test
  void aBounceThatFindsNoRoomZeroesTheLength() {
    start(0);
    LongRef taken = new LongRef(PciBench.FOUR_GIB - 1);
    while (!takePage(taken).isError()) {
      taken.value = PciBench.FOUR_GIB - 1;
    }
    assertEquals(EfiStatus.OUT_OF_RESOURCES, map(BUS_MASTER_READ, ABOVE));
    assertEquals(0, bytes.value);
  }

  private EfiStatus takePage(LongRef below) {
    return bench.core.allocatePages(
        AllocateType.MAX_ADDRESS, MemoryType.BOOT_SERVICES_DATA, 1, below);
  }

  @Test
  void whatIsNoMemoryIsNotBounced() {
    start(0);
    long free = freePages();
    long end = PciBench.HAND_OFF.ram().getLast().limit();
    for (DmaOperation operation : new DmaOperation[] {BUS_MASTER_READ, BUS_MASTER_WRITE}) {
      for (long host : new long[] {end, end - 99, PciBench.FOUR_GIB - 1, 1L << 40, -100, -1}) {
        bytes.value = 100;
        assertEquals(EfiStatus.INVALID_PARAMETER, map(operation, host), Long.toHexString(host));
        assertEquals(0, bytes.value);
      }
    }
    assertEquals(12, bench.counters.failedMaps());
    assertEquals(free, freePages());
    bytes.value = 100;
    assertEquals(EfiStatus.SUCCESS, map(BUS_MASTER_WRITE, end - 100), "the last");
  }

  @Test
  void dualAddressCycleReachesEverything() {
    start(DUAL);
    for (DmaOperation operation :
        new DmaOperation[] {BUS_MASTER_READ, BUS_MASTER_WRITE, BUS_MASTER_COMMON_BUFFER}) {
      assertEquals(EfiStatus.SUCCESS, map(operation, ABOVE));
      assertEquals(ABOVE, device.value);
    }
  }

  @Test
  void butNotOnAHostBridgeThatDoesNotPassIt() {
    PciBench narrow = new PciBench(PciBench.resources(FakePci.ECAM, true, false));
    pciIo = narrow.startOne(new Function(4, 0));
    pciIo.attributes(AttributeOperation.ENABLE, DUAL, null);
    assertEquals(EfiStatus.SUCCESS, map(BUS_MASTER_READ, ABOVE));
    assertTrue(device.value < PciBench.FOUR_GIB);
    assertEquals(EfiStatus.UNSUPPORTED, map(BUS_MASTER_COMMON_BUFFER, ABOVE));
    LongRef host = new LongRef();
    pciIo.allocateBuffer(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1, host, 0);
    assertTrue(host.value < PciBench.FOUR_GIB);
  }

  @Test
  void unmapOfWhatIsNoMappingIsRefusedAndCounted() {
    start(0);
    map(BUS_MASTER_READ, ABOVE);
    assertEquals(EfiStatus.SUCCESS, pciIo.unmap(mapping.value));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.unmap(mapping.value));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.unmap(null));
    assertEquals(EfiStatus.INVALID_PARAMETER, pciIo.unmap(new DmaMapping() {}));
    assertEquals(3, bench.counters.invalidUnmaps());
  }

  @Test
  void allocateBufferChecksAttributesThenAddressThenType() {
    start(0);
    LongRef host = new LongRef();
    AllocateType any = AllocateType.ANY_PAGES;
    // The device's own DUAL_ADDRESS_CYCLE decides, not the caller's.
    assertEquals(
        EfiStatus.UNSUPPORTED, pciIo.allocateBuffer(any, MemoryType.RESERVED, 1, null, DUAL));
    assertEquals(
        EfiStatus.INVALID_PARAMETER, pciIo.allocateBuffer(any, MemoryType.RESERVED, 1, null, 0));
    assertEquals(
        EfiStatus.INVALID_PARAMETER,
        pciIo.allocateBuffer(any, MemoryType.CONVENTIONAL, 1, host, 0));
    assertEquals(
        EfiStatus.SUCCESS,
        pciIo.allocateBuffer(any, MemoryType.RUNTIME_SERVICES_DATA, 2, host, 0x880));
    assertTrue(host.value < PciBench.FOUR_GIB);
    assertEquals(EfiStatus.SUCCESS, pciIo.freeBuffer(2, host.value));
    assertTrue(pciIo.freeBuffer(2, host.value).isError());
    pciIo.attributes(AttributeOperation.ENABLE, DUAL, null);
    pciIo.allocateBuffer(any, MemoryType.BOOT_SERVICES_DATA, 1, host, 0);
    assertTrue(host.value >= PciBench.FOUR_GIB);
  }

  @Test
  void withAnIommuMapIsItsMapAndThenItsSetAttribute() {
    FakeIoMmu ioMmu = install();
    start(0);
    for (DmaOperation operation :
        new DmaOperation[] {BUS_MASTER_READ, BUS_MASTER_WRITE, BUS_MASTER_COMMON_BUFFER}) {
      assertEquals(EfiStatus.SUCCESS, map(operation, 0x5000));
    }
    pciIo.attributes(AttributeOperation.ENABLE, DUAL, null);
    map(BUS_MASTER_WRITE, 0x5000);
    assertEquals(
        List.of(
            "map BUS_MASTER_READ", "set 1",
            "map BUS_MASTER_WRITE", "set 2",
            "map BUS_MASTER_COMMON_BUFFER", "set 3",
            "map BUS_MASTER_WRITE64", "set 2"),
        ioMmu.calls);
    assertSame(bench.busDriver.handles().getFirst(), ioMmu.controller);
    assertEquals(0, bench.counters.maps(), "the IOMMU driver counts its own");
  }

  @Test
  void unmapTakesTheAccessAwayFirstWhateverComesOfIt() {
    FakeIoMmu ioMmu = install();
    start(0);
    map(BUS_MASTER_READ, 0x5000);
    ioMmu.calls.clear();
    ioMmu.setAttribute = EfiStatus.UNSUPPORTED;
    assertEquals(EfiStatus.SUCCESS, pciIo.unmap(mapping.value));
    assertEquals(List.of("set 0", "unmap"), ioMmu.calls);
  }

  @Test
  void aFailedMapSetsNoAttributeAndAFailedSetAttributeUndoesTheMap() {
    FakeIoMmu ioMmu = install();
    start(0);
    ioMmu.map = EfiStatus.OUT_OF_RESOURCES;
    assertEquals(EfiStatus.OUT_OF_RESOURCES, map(BUS_MASTER_READ, 0x5000));
    assertEquals(List.of("map BUS_MASTER_READ"), ioMmu.calls);
    ioMmu.calls.clear();
    ioMmu.map = EfiStatus.SUCCESS;
    ioMmu.setAttribute = EfiStatus.DEVICE_ERROR;
    assertEquals(EfiStatus.DEVICE_ERROR, map(BUS_MASTER_READ, 0x5000));
    assertEquals(List.of("map BUS_MASTER_READ", "set 1", "unmap"), ioMmu.calls);
  }

  @Test
  void buffersComeFromTheIommu() {
    FakeIoMmu ioMmu = install();
    start(DUAL);
    LongRef host = new LongRef();
    AllocateType any = AllocateType.ANY_PAGES;
    pciIo.allocateBuffer(any, MemoryType.BOOT_SERVICES_DATA, 3, host, 0x80);
    pciIo.freeBuffer(3, 0x5000);
    assertEquals(List.of("allocate 3 8080", "free 3 5000"), ioMmu.calls);
    assertEquals(
        EfiStatus.INVALID_PARAMETER,
        pciIo.allocateBuffer(any, MemoryType.CONVENTIONAL, 3, host, 0));
    assertEquals(2, ioMmu.calls.size());
  }

  private long freePages() {
    Ref<List<dev.virtiolab.firmware.uefi.MemoryDescriptor>> map = new Ref<>();
    bench.core.getMemoryMap(new LongRef(1 << 20), map, new LongRef());
    return map.value.stream()
        .filter(descriptor -> descriptor.type() == MemoryType.CONVENTIONAL)
        .mapToLong(dev.virtiolab.firmware.uefi.MemoryDescriptor::pages)
        .sum();
  }

  private FakeIoMmu install() {
    FakeIoMmu ioMmu = new FakeIoMmu();
    bench.core.installProtocolInterface(new Ref<>(), IoMmu.PROTOCOL, ioMmu);
    return ioMmu;
  }

  private static final class FakeIoMmu implements IoMmu {
    final List<String> calls = new ArrayList<>();
    EfiStatus map = EfiStatus.SUCCESS;
    EfiStatus setAttribute = EfiStatus.SUCCESS;
    Handle controller;

    @Override
    public EfiStatus setAttribute(Handle handle, DmaMapping mapping, long access) {
      controller = handle;
      calls.add("set " + access);
      return setAttribute;
    }

    @Override
    public EfiStatus map(
        DmaOperation operation,
        long hostAddress,
        LongRef numberOfBytes,
        LongRef deviceAddress,
        Ref<DmaMapping> mapping) {
      calls.add("map " + operation);
      mapping.value = new DmaMapping() {};
      return map;
    }

    @Override
    public EfiStatus unmap(DmaMapping mapping) {
      calls.add("unmap");
      return EfiStatus.SUCCESS;
    }

    @Override
    public EfiStatus allocateBuffer(
        AllocateType type,
        MemoryType memoryType,
        long pages,
        LongRef hostAddress,
        long attributes) {
      calls.add("allocate " + pages + " " + Long.toHexString(attributes));
      return EfiStatus.SUCCESS;
    }

    @Override
    public EfiStatus freeBuffer(long pages, long hostAddress) {
      calls.add("free " + pages + " " + Long.toHexString(hostAddress));
      return EfiStatus.SUCCESS;
    }
  }
}
