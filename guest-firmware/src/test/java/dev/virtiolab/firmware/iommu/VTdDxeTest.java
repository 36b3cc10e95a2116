package dev.virtiolab.firmware.iommu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.exitboot.policy.VtdKeep;
import dev.virtiolab.firmware.exitboot.policy.VtdOff;
import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.TestSeat;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.handoff.HandOff;
import dev.virtiolab.firmware.handoff.HandOff.Range;
import dev.virtiolab.firmware.pci.PciBusDxe;
import dev.virtiolab.firmware.pci.PciResources;
import dev.virtiolab.firmware.pci.RootBridge;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.IoMmu;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.iommu.vtd.VtdCounters;
import dev.virtiolab.iommu.vtd.VtdPlatform;
import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.pci.fixture.SampleFunction;
import dev.virtiolab.pci.function.BarHandler;
import dev.virtiolab.pci.host.HostBridge;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.posix.fixture.Allocation;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The driver on the real unit, with two cards on the bus. */
class VTdDxeTest {
  private static final long MIB = 1L << 20;
  private static final long HIGH = 1L << 32;
  private static final long UNIT = 0xfed9_0000L;
  private static final int FIRST = 4 << 3;
  private static final int SECOND = 5 << 3;
  private static final DmaOperation READ = DmaOperation.BUS_MASTER_READ64;
  private static final DmaOperation WRITE = DmaOperation.BUS_MASTER_WRITE64;
  private static final DmaOperation COMMON = DmaOperation.BUS_MASTER_COMMON_BUFFER64;

  private final PhysicalMemory ram = PhysicalMemory.allocate(16 * MIB, 4 * MIB);
  private final VtdPlatform platform = new VtdPlatform(ram);
  private final CpuMemory memory = platform.cpuMemory();
  private final HostBridge bridge = new HostBridge(ram);
  private final HandOff handOff =
      HandOffs.withRam(List.of(new Range(0, 16 * MIB), new Range(HIGH, 4 * MIB)))
          .withRemapping(new Range(UNIT, 4096));
  private final DxeCore core = new DxeCore(memory, new VirtualClock(), handOff);
  private final DmaCounters counters = new DmaCounters();
  private final LongRef bytes = new LongRef();
  private final LongRef device = new LongRef();
  private final Ref<DmaMapping> mapping = new Ref<>();
  private final DmaWindow window = new DmaWindow();
  private boolean unitIsDeaf;
  private VTdDxe vtd;
  private Handle first;
  private Handle second;

  @BeforeEach
  void boot() {
    boot(new VtdOff());
  }

  private void boot(TeardownPolicy policy) {
    bridge.attach(UNIT, 4096, new Unit());
    bridge.rootBus().plug(4, SampleFunction.conventional());
    bridge.rootBus().plug(5, SampleFunction.conventional());
    bridge.powerOn();
    memory.putLong(0x5000, 42);
    start(policy);
  }

  /** The platform's unit; one that is deaf does not do what the IOTLB register tells it. */
  private final class Unit implements BarHandler {
    private static final int IOTLB = 0x108;

    @Override
    public long read(long offset, int width) {
      return unitIsDeaf && offset == IOTLB ? 0 : platform.registers().read(offset, width);
    }

    @Override
    public void write(long offset, int width, long value) {
      if (!unitIsDeaf || offset != IOTLB) {
        platform.registers().write(offset, width, value);
      }
    }
  }

  private void start(TeardownPolicy policy) {
    vtd = new VTdDxe(core, memory, bridge, handOff, counters, DmaObserver.NONE);
    assertEquals(EfiStatus.SUCCESS, vtd.start());
    TestSeat.arm(policy, core, vtd);
    PciBusDxe bus =
        new PciBusDxe(
            core,
            new RootBridge(
                core,
                bridge,
                memory,
                handOff,
                PciResources.of(handOff),
                counters,
                DmaObserver.NONE));
    assertEquals(EfiStatus.SUCCESS, bus.start());
    // The host bridge is the first.
    first = bus.handles().get(1);
    second = bus.handles().get(2);
  }

  @AfterEach
  void close() {
    platform.close();
    ram.close();
  }

  private boolean reaches(int source, long address, DmaAccess access) {
    return platform.busMemory(source).resolve(address, access, window);
  }

  private byte deviceByte(long address) {
    assertTrue(reaches(FIRST, address, DmaAccess.READ));
    return window.segment().get(ValueLayout.JAVA_BYTE, window.offset(address));
  }

  private EfiStatus map(DmaOperation operation, long host, long length) {
    bytes.value = length;
    return vtd.map(operation, host, bytes, device, mapping);
  }

  private DmaMapping open(DmaOperation operation, long host, long length, long access) {
    assertEquals(EfiStatus.SUCCESS, map(operation, host, length));
    assertEquals(length, bytes.value);
    assertEquals(EfiStatus.SUCCESS, vtd.setAttribute(first, mapping.value, access));
    return mapping.value;
  }

  private void shut(DmaMapping which) {
    assertEquals(EfiStatus.SUCCESS, vtd.setAttribute(first, which, 0));
    assertEquals(EfiStatus.SUCCESS, vtd.unmap(which));
  }

  private long pages(long below, long count) {
    LongRef address = new LongRef(below);
    assertEquals(
        EfiStatus.SUCCESS,
        core.allocatePages(
            AllocateType.MAX_ADDRESS, MemoryType.BOOT_SERVICES_DATA, count, address));
    return address.value;
  }

  @Test
  void fromTheStartNoDeviceReachesAnything() {
    assertTrue(platform.counters().translating());
    for (long address = 0; address < 16 * MIB; address += 4096) {
      assertFalse(reaches(FIRST, address, DmaAccess.READ));
    }
  }

  @Test
  void wholePagesAreMappedInPlaceForOneDeviceAndOneAccess() {
    long host = pages(HIGH - 1, 2);
    DmaMapping read = open(READ, host, 8192, IoMmu.ACCESS_READ);
    assertEquals(host, device.value);
    assertTrue(reaches(FIRST, host + 8191, DmaAccess.READ));
    assertFalse(reaches(FIRST, host, DmaAccess.WRITE));
    assertFalse(reaches(FIRST, host - 1, DmaAccess.READ));
    assertFalse(reaches(FIRST, host + 8192, DmaAccess.READ));
    assertFalse(reaches(SECOND, host, DmaAccess.READ));
    assertEquals(SECOND, platform.faults().getLast().sourceId());
    shut(read);
    assertFalse(reaches(FIRST, host, DmaAccess.READ));
    DmaMapping write = open(WRITE, host, 4096, IoMmu.ACCESS_WRITE);
    assertTrue(reaches(FIRST, host, DmaAccess.WRITE));
    assertFalse(reaches(FIRST, host, DmaAccess.READ));
    shut(write);
    assertEquals(0, counters.bytesBouncedToDevice());
  }

  @Test
  void untilSetAttributeTheMappingIsNobodys() {
    long host = pages(HIGH - 1, 1);
    assertEquals(EfiStatus.SUCCESS, map(READ, host, 4096));
    assertFalse(reaches(FIRST, host, DmaAccess.READ));
    assertEquals(EfiStatus.SUCCESS, vtd.setAttribute(first, mapping.value, IoMmu.ACCESS_READ));
    assertTrue(reaches(FIRST, host, DmaAccess.READ));
  }

  @Test
  void whatIsNotWholePagesIsBouncedAndItsNeighboursAreOutOfReach() {
    long host = pages(HIGH - 1, 1);
    memory.putByte(host + 99, (byte) 1);
    memory.putByte(host + 100, (byte) 2);
    memory.putByte(host + 109, (byte) 3);
    memory.putByte(host + 110, (byte) 4);
    DmaMapping read = open(READ, host + 100, 10, IoMmu.ACCESS_READ);
    assertNotEquals(host + 100, device.value);
    assertEquals(2, deviceByte(device.value));
    assertEquals(3, deviceByte(device.value + 9));
    for (long at = 10; at < 4096; at++) {
      assertEquals(0, deviceByte(device.value + at));
    }
    assertFalse(reaches(FIRST, host, DmaAccess.READ));
    assertEquals(10, counters.bytesBouncedToDevice());
    shut(read);
  }

  @Test
  void whatADeviceWroteToABounceBufferComesBackAtUnmapAndLeavesNoTrace() {
    long host = pages(HIGH - 1, 1);
    DmaMapping write = open(WRITE, host + 100, 10, IoMmu.ACCESS_WRITE);
    long at = device.value;
    assertTrue(reaches(FIRST, at, DmaAccess.WRITE));
    window.segment().set(ValueLayout.JAVA_BYTE, window.offset(at) + 3, (byte) 77);
    window.segment().set(ValueLayout.JAVA_BYTE, window.offset(at) + 4000, (byte) 88);
    assertEquals(0, memory.getByte(host + 103));
    shut(write);
    assertEquals(77, memory.getByte(host + 103));
    for (long i = 0; i < 4096; i++) {
      assertEquals(0, memory.getByte(at + i), "byte " + i);
    }
  }

  @Test
  void aDeviceOf32BitsIsBouncedBelow4Gib() {
    long host = pages(-1, 1);
    assertTrue(host >= HIGH);
    memory.putByte(host, (byte) 9);
    DmaMapping read = open(DmaOperation.BUS_MASTER_READ, host, 4096, IoMmu.ACCESS_READ);
    assertTrue(device.value < HIGH);
    assertEquals(9, deviceByte(device.value));
    shut(read);
    assertEquals(EfiStatus.UNSUPPORTED, map(DmaOperation.BUS_MASTER_COMMON_BUFFER, host, 4096));
    assertEquals(0, bytes.value);
    shut(open(COMMON, host, 4096, 3));
  }

  @Test
  void aCommonBufferIsWholePagesOrPartOfWhatAllocateBufferGave() {
    long foreign = pages(HIGH - 1, 2);
    assertEquals(EfiStatus.UNSUPPORTED, map(COMMON, foreign + 8, 4096));
    assertEquals(EfiStatus.UNSUPPORTED, map(COMMON, foreign, 4095));
    shut(open(COMMON, foreign, 8192, 3));
    LongRef own = new LongRef();
    assertEquals(
        EfiStatus.SUCCESS,
        vtd.allocateBuffer(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 2, own, 0));
    DmaMapping part = open(COMMON, own.value + 8, 100, 3);
    assertEquals(own.value + 8, device.value);
    assertTrue(reaches(FIRST, own.value + 8, DmaAccess.WRITE));
    assertFalse(reaches(FIRST, own.value + 4096, DmaAccess.READ));
    assertEquals(EfiStatus.INVALID_PARAMETER, vtd.freeBuffer(2, own.value), "mapped");
    shut(part);
    assertEquals(EfiStatus.INVALID_PARAMETER, vtd.freeBuffer(1, own.value));
    assertEquals(EfiStatus.SUCCESS, vtd.freeBuffer(2, own.value));
    assertEquals(EfiStatus.INVALID_PARAMETER, vtd.freeBuffer(2, own.value));
  }

  @Test
  void aPageThatTwoMappingsShareStaysReachableUntilBothAreGone() {
    long host = pages(HIGH - 1, 1);
    DmaMapping one = open(READ, host, 4096, IoMmu.ACCESS_READ);
    DmaMapping two = open(WRITE, host, 4096, IoMmu.ACCESS_WRITE);
    DmaMapping three = open(READ, host, 4096, IoMmu.ACCESS_READ);
    assertTrue(reaches(FIRST, host, DmaAccess.WRITE), "what was read only before is cached so");
    shut(one);
    assertTrue(reaches(FIRST, host, DmaAccess.READ));
    shut(three);
    assertFalse(reaches(FIRST, host, DmaAccess.READ));
    assertTrue(reaches(FIRST, host, DmaAccess.WRITE));
    shut(two);
    assertFalse(reaches(FIRST, host, DmaAccess.WRITE));
  }

  @Test
  void theThirtySecondMappingOfAPageIsRefusedAndUndone() {
    long host = pages(HIGH - 1, 2);
    for (int i = 0; i < 31; i++) {
      open(READ, host + 4096, 4096, IoMmu.ACCESS_READ);
    }
    assertEquals(EfiStatus.SUCCESS, map(READ, host, 8192));
    assertEquals(
        EfiStatus.OUT_OF_RESOURCES, vtd.setAttribute(first, mapping.value, IoMmu.ACCESS_READ));
    assertFalse(reaches(FIRST, host, DmaAccess.READ));
    assertEquals(EfiStatus.SUCCESS, vtd.unmap(mapping.value));
    assertTrue(reaches(FIRST, host + 4096, DmaAccess.READ));
  }

  @Test
  void unmapTakesAccessBackToo() {
    long host = pages(HIGH - 1, 1);
    DmaMapping read = open(READ, host, 4096, IoMmu.ACCESS_READ);
    assertTrue(reaches(FIRST, host, DmaAccess.READ));
    assertEquals(EfiStatus.SUCCESS, vtd.unmap(read));
    assertFalse(reaches(FIRST, host, DmaAccess.READ));
    assertEquals(EfiStatus.INVALID_PARAMETER, vtd.unmap(read));
    assertEquals(EfiStatus.INVALID_PARAMETER, vtd.setAttribute(first, read, 0));
    assertEquals(1, counters.invalidUnmaps());
  }

  /** As PciIo.Unmap: it does not look at what SetAttribute returns. */
  @Test
  void aBounceBufferThatADeviceMayStillReachIsNobodysAnyMore() {
    long host = pages(HIGH - 1, 1);
    DmaMapping read = open(READ, host, 100, IoMmu.ACCESS_READ);
    long bounce = device.value;
    assertTrue(reaches(FIRST, bounce, DmaAccess.READ));
    unitIsDeaf = true;
    assertEquals(EfiStatus.DEVICE_ERROR, vtd.setAttribute(first, read, 0));
    assertEquals(EfiStatus.DEVICE_ERROR, vtd.unmap(read));
    unitIsDeaf = false;
    assertTrue(reaches(FIRST, bounce, DmaAccess.READ), "the unit has not forgotten it");
    open(READ, host, 100, IoMmu.ACCESS_READ);
    assertNotEquals(bounce, device.value);
  }

  @Test
  void aCommonBufferThatADeviceMayStillReachIsNotFreed() {
    LongRef own = new LongRef();
    vtd.allocateBuffer(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1, own, 0);
    DmaMapping ring = open(COMMON, own.value, 4096, 3);
    assertTrue(reaches(FIRST, own.value, DmaAccess.WRITE));
    unitIsDeaf = true;
    vtd.setAttribute(first, ring, 0);
    assertEquals(EfiStatus.DEVICE_ERROR, vtd.unmap(ring));
    assertEquals(EfiStatus.INVALID_PARAMETER, vtd.freeBuffer(1, own.value));
  }

  /** PciIo.Map undoes a mapping whose SetAttribute failed; its caller's bytes are as they were. */
  @Test
  void whatNoDeviceCouldWriteToIsLeftAsItWas() {
    long host = pages(HIGH - 1, 1);
    memory.putByte(host, (byte) 7);
    assertEquals(EfiStatus.SUCCESS, map(WRITE, host, 100));
    assertEquals(EfiStatus.SUCCESS, vtd.unmap(mapping.value));
    assertEquals(7, memory.getByte(host));
    assertEquals(0, counters.bytesBouncedFromDevice());
  }

  @Test
  void whatCannotBeIsRefused() {
    long host = pages(HIGH - 1, 1);
    assertEquals(EfiStatus.INVALID_PARAMETER, map(READ, 0, 4096));
    assertEquals(EfiStatus.INVALID_PARAMETER, map(null, host, 4096));
    assertEquals(EfiStatus.INVALID_PARAMETER, map(READ, host, 0));
    assertEquals(0, bytes.value);
    assertEquals(EfiStatus.INVALID_PARAMETER, map(READ, host, -1));
    assertEquals(EfiStatus.INVALID_PARAMETER, map(READ, -4096, 4096));
    assertEquals(EfiStatus.INVALID_PARAMETER, map(READ, (1L << 39) - 4096, 8192));
    long end = handOff.ram().getLast().limit();
    for (DmaOperation operation : DmaOperation.values()) {
      assertEquals(EfiStatus.INVALID_PARAMETER, map(operation, end, 4096));
      assertEquals(EfiStatus.INVALID_PARAMETER, map(operation, end - 4096, 8192));
      assertEquals(EfiStatus.INVALID_PARAMETER, map(operation, end - 1, 2));
    }
    assertEquals(6 + 18, counters.failedMaps());
    assertEquals(EfiStatus.SUCCESS, map(READ, host, 4096));
    assertEquals(
        EfiStatus.INVALID_PARAMETER, vtd.setAttribute(first, mapping.value, IoMmu.ACCESS_WRITE));
    assertEquals(EfiStatus.INVALID_PARAMETER, vtd.setAttribute(first, mapping.value, 4));
    assertEquals(
        EfiStatus.UNSUPPORTED, vtd.setAttribute(new Handle() {}, mapping.value, IoMmu.ACCESS_READ));
    assertEquals(EfiStatus.SUCCESS, vtd.setAttribute(first, mapping.value, IoMmu.ACCESS_READ));
    assertEquals(EfiStatus.SUCCESS, vtd.setAttribute(first, mapping.value, IoMmu.ACCESS_READ));
    assertEquals(EfiStatus.UNSUPPORTED, vtd.setAttribute(second, mapping.value, IoMmu.ACCESS_READ));
    assertEquals(EfiStatus.SUCCESS, vtd.setAttribute(second, mapping.value, 0));
    assertTrue(reaches(FIRST, host, DmaAccess.READ), "not the second's to take away");
  }

  @Test
  void eachDeviceHasADomainAndTablesOfItsOwn() {
    long host = pages(HIGH - 1, 2);
    DmaMapping one = open(READ, host, 4096, IoMmu.ACCESS_READ);
    assertEquals(EfiStatus.SUCCESS, map(READ, host + 4096, 4096));
    DmaMapping two = mapping.value;
    assertEquals(EfiStatus.SUCCESS, vtd.setAttribute(second, two, IoMmu.ACCESS_READ));
    assertTrue(reaches(FIRST, host, DmaAccess.READ));
    assertTrue(reaches(SECOND, host + 4096, DmaAccess.READ));
    assertFalse(reaches(FIRST, host + 4096, DmaAccess.READ));
    assertFalse(reaches(SECOND, host, DmaAccess.READ));
    shut(one);
    assertTrue(reaches(SECOND, host + 4096, DmaAccess.READ));
    assertEquals(EfiStatus.SUCCESS, vtd.unmap(two));
    assertFalse(reaches(SECOND, host + 4096, DmaAccess.READ));
  }

  @Test
  void aMappingCostsOneInvalidationHoweverManyPagesItHas() {
    long host = pages(HIGH - 1, 40);
    VtdCounters before = platform.counters();
    DmaMapping read = open(READ, host, 40 * 4096, IoMmu.ACCESS_READ);
    assertEquals(before.iotlbInvalidations(), platform.counters().iotlbInvalidations());
    for (int i = 0; i < 40; i++) {
      assertTrue(reaches(FIRST, host + i * 4096L, DmaAccess.READ));
    }
    shut(read);
    assertEquals(before.iotlbInvalidations() + 1, platform.counters().iotlbInvalidations());
    for (int i = 0; i < 40; i++) {
      assertFalse(reaches(FIRST, host + i * 4096L, DmaAccess.READ));
    }
  }

  @Test
  void everyPageOfAMappingIsForgottenWhereverItBegins() {
    long host = pages(HIGH - 1, 32);
    for (int first = 0; first < 16; first++) {
      for (int count = 1; count <= 16; count++) {
        long start = host + first * 4096L;
        DmaMapping read = open(READ, start, count * 4096L, IoMmu.ACCESS_READ);
        for (int i = 0; i < count; i++) {
          assertTrue(reaches(FIRST, start + i * 4096L, DmaAccess.READ));
        }
        shut(read);
        for (int i = 0; i < count; i++) {
          assertFalse(reaches(FIRST, start + i * 4096L, DmaAccess.READ), first + "+" + count);
        }
      }
    }
  }

  @Test
  void faultsAreCountedAndTheirRecordsCleared() {
    long host = pages(HIGH - 1, 1);
    for (int i = 0; i < 20; i++) {
      reaches(FIRST, 0x5000, DmaAccess.READ);
    }
    shut(open(READ, host, 4096, IoMmu.ACCESS_READ));
    assertEquals(8, counters.faultsReported(), "as many as there are records");
    reaches(FIRST, 0x5000, DmaAccess.READ);
    shut(open(READ, host, 4096, IoMmu.ACCESS_READ));
    assertEquals(9, counters.faultsReported());
  }

  @Test
  void mapAndUnmapAllocateNothing() {
    long host = pages(HIGH - 1, 2);
    Runnable work =
        () -> {
          for (int i = 0; i < 500; i++) {
            shut(open(READ, host + 100, 1514, IoMmu.ACCESS_READ));
            shut(open(READ, host, 8192, IoMmu.ACCESS_READ));
          }
        };
    long allocated = Long.MAX_VALUE;
    for (int attempt = 0; attempt < 20 && allocated > 0; attempt++) {
      allocated = Allocation.bytesOf(10, work);
    }
    assertEquals(0, allocated);
    assertEquals(0, vtd.openMappings());
  }

  @Test
  void tablesAreReservedMemory() {
    Ref<List<MemoryDescriptor>> map = new Ref<>();
    core.getMemoryMap(new LongRef(1 << 20), map, new LongRef());
    long root = bridge.mmioRead(UNIT + 0x20, 8);
    MemoryDescriptor holder =
        map.value.stream()
            .filter(
                each ->
                    each.physicalStart() <= root
                        && root < each.physicalStart() + each.pages() * 4096)
            .findFirst()
            .orElseThrow();
    assertSame(MemoryType.RESERVED, holder.type());
  }

  private EfiStatus exitBootServices() {
    LongRef key = new LongRef();
    core.getMemoryMap(new LongRef(1 << 20), new Ref<>(), key);
    return core.exitBootServices(key.value);
  }

  @Test
  void vtdOffSwitchesTranslationOffAtExitBootServices() {
    long host = pages(HIGH - 1, 1);
    open(READ, host, 4096, IoMmu.ACCESS_READ);
    assertTrue(reaches(FIRST, host, DmaAccess.READ), "and is cached");
    assertEquals("vtd-off", new VtdOff().name());
    assertEquals(EfiStatus.SUCCESS, exitBootServices());
    assertFalse(platform.counters().translating());
    assertEquals(0, platform.counters().iotlbEntries(), "flushed");
    assertTrue(reaches(SECOND, 0x5000, DmaAccess.WRITE));
    assertEquals(1, vtd.openMappings(), "nobody unmaps");
  }

  @Test
  void whoUnmapsAfterThePolicyFreesNothing() {
    long host = pages(HIGH - 1, 18);
    DmaMapping large = open(READ, host + 1, 17 * 4096, IoMmu.ACCESS_READ);
    assertEquals(EfiStatus.SUCCESS, exitBootServices());
    // Its bounce buffer is too large to be kept, and boot services that could free it are gone.
    assertEquals(EfiStatus.SUCCESS, vtd.unmap(large));
  }

  @Test
  void vtdKeepLeavesEverythingAsItIs() {
    assertEquals("vtd-keep", new VtdKeep().name());
    VTdDxeTest keeping = new VTdDxeTest();
    keeping.boot(new VtdKeep());
    try {
      long host = keeping.pages(HIGH - 1, 1);
      keeping.open(READ, host, 4096, IoMmu.ACCESS_READ);
      assertEquals(EfiStatus.SUCCESS, keeping.exitBootServices());
      assertTrue(keeping.platform.counters().translating());
      assertEquals(1, keeping.vtd.openMappings());
      assertTrue(keeping.reaches(FIRST, host, DmaAccess.READ));
      assertFalse(keeping.reaches(FIRST, host, DmaAccess.WRITE));
      assertFalse(keeping.reaches(SECOND, host, DmaAccess.READ));
    } finally {
      keeping.close();
    }
  }

  @Test
  void unmapAllAfterTheMapIsAcceptedFreesNothing() {
    long host = pages(HIGH - 1, 1);
    open(READ, host + 100, 100, IoMmu.ACCESS_READ);
    long bounce = device.value;
    open(WRITE, host, 4096, IoMmu.ACCESS_WRITE);
    LongRef key = new LongRef();
    core.getMemoryMap(new LongRef(1 << 20), new Ref<>(), key);
    vtd.unmapAll();
    LongRef after = new LongRef();
    core.getMemoryMap(new LongRef(1 << 20), new Ref<>(), after);
    assertEquals(key.value, after.value);
    assertEquals(0, vtd.openMappings());
    assertFalse(reaches(FIRST, bounce, DmaAccess.READ));
    assertFalse(reaches(FIRST, host, DmaAccess.WRITE));
    assertTrue(platform.counters().translating());
  }
}
