package dev.virtiolab.firmware.iommu;

import static dev.virtiolab.firmware.uefi.DmaOperation.BUS_MASTER_COMMON_BUFFER;
import static dev.virtiolab.firmware.uefi.DmaOperation.BUS_MASTER_READ;
import static dev.virtiolab.firmware.uefi.DmaOperation.BUS_MASTER_READ64;
import static dev.virtiolab.firmware.uefi.DmaOperation.BUS_MASTER_WRITE;
import static dev.virtiolab.firmware.uefi.DmaOperation.BUS_MASTER_WRITE64;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.handoff.HandOff;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.iommu.Platform;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.iommu.Platforms;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.posix.fixture.Allocation;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The driver on the platform {@code noncoherent} itself. */
class NonCoherentPlatformDmaTest {
  private static final long RAM_BYTES = 16 << 20;
  private static final int ROUNDS = 1000;
  private static final int FRAME = 1514;

  private final PhysicalMemory ram = PhysicalMemory.allocate(RAM_BYTES);
  private final Platform platform =
      Platforms.create(PlatformKind.NONCOHERENT, ram, new SplittableRandom(1));
  private final BusMemory bus = platform.busMemory(0x20);
  private final HandOff handOff =
      HandOffs.shifted(HandOffs.withRam(RAM_BYTES), platform.dmaOffset());
  private final DxeCore core = new DxeCore(platform.cpuMemory(), new VirtualClock(), handOff);
  private final DmaCounters counters = new DmaCounters();
  private final NonCoherentDmaDxe dma =
      new NonCoherentDmaDxe(
          core,
          platform.cpuMemory(),
          platform.cpuCache().orElseThrow(),
          handOff,
          counters,
          DmaObserver.NONE);
  private final LongRef bytes = new LongRef();
  private final LongRef device = new LongRef();
  private final Ref<DmaMapping> mapping = new Ref<>();

  @AfterEach
  void close() {
    platform.close();
    ram.close();
  }

  @Test
  void theDeviceReadsAndWritesWhatIsMappedAndNothingIsLost() {
    assertEquals(EfiStatus.SUCCESS, dma.start());
    long client = pages();
    for (int start : new int[] {0, 1, 60, 64}) {
      for (int length : new int[] {1, 63, 64, 65, 1514}) {
        platform.cpuMemory().fill(client, 4096, (byte) 1);
        DmaMapping read = map(BUS_MASTER_READ, client + start, length);
        for (int i = 0; i < length; i++) {
          assertEquals(1, deviceReads(device.value + i));
        }
        dma.unmap(read);
        DmaMapping write = map(BUS_MASTER_WRITE, client + start, length);
        for (int i = 0; i < length; i++) {
          deviceWrites(device.value + i, 2);
        }
        dma.unmap(write);
        for (int i = 0; i < 4096; i++) {
          int expected = i >= start && i < start + length ? 2 : 1;
          assertEquals(expected, platform.cpuMemory().getByte(client + i), "at " + i);
        }
      }
    }
  }

  @Test
  void aRingInACommonBufferIsSeenByBothAtOnce() {
    assertEquals(EfiStatus.SUCCESS, dma.start());
    LongRef ring = new LongRef();
    dma.allocateBuffer(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1, ring, 0);
    map(BUS_MASTER_COMMON_BUFFER, ring.value, 4096);
    platform.cpuMemory().putShortRelease(ring.value + 2, (short) 5);
    assertEquals(5, deviceReads(device.value + 2));
    deviceWrites(device.value + 2, 6);
    assertEquals(6, platform.cpuMemory().getShortAcquire(ring.value + 2));
  }

  @Test
  void mapFlushAndUnmapOfAFrameAllocateNothing() {
    assertEquals(EfiStatus.SUCCESS, dma.start());
    long client = pages();
    Runnable work =
        () -> {
          for (int i = 0; i < ROUNDS; i++) {
            once(BUS_MASTER_READ64, client + 1);
            once(BUS_MASTER_WRITE64, client);
            once(BUS_MASTER_WRITE64, client + 1);
          }
        };
    // Until the JVM has compiled it all, a slice of memory that lives for a line is an object.
    long allocated = Long.MAX_VALUE;
    for (int attempt = 0; attempt < 50 && allocated >= ROUNDS; attempt++) {
      allocated = Allocation.bytesOf(20, work);
    }
    assertTrue(allocated < ROUNDS, "bytes per map and unmap: " + (double) allocated / ROUNDS / 3);
    assertEquals(counters.maps(), counters.unmaps());
  }

  private void once(DmaOperation operation, long client) {
    bytes.value = FRAME;
    EfiStatus status = dma.map(operation, client, bytes, device, mapping);
    if (status != EfiStatus.SUCCESS
        || dma.flush() != EfiStatus.SUCCESS
        || dma.unmap(mapping.value) != EfiStatus.SUCCESS) {
      throw new AssertionError(status);
    }
  }

  private DmaMapping map(DmaOperation operation, long host, long length) {
    bytes.value = length;
    assertEquals(EfiStatus.SUCCESS, dma.map(operation, host, bytes, device, mapping));
    return mapping.value;
  }

  private long pages() {
    LongRef address = new LongRef();
    core.allocatePages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1, address);
    return address.value;
  }

  private byte deviceReads(long address) {
    DmaWindow window = new DmaWindow();
    assertTrue(bus.resolve(address, DmaAccess.READ, window));
    return window.segment().get(ValueLayout.JAVA_BYTE, window.offset(address));
  }

  private void deviceWrites(long address, int value) {
    DmaWindow window = new DmaWindow();
    assertTrue(bus.resolve(address, DmaAccess.WRITE, window));
    window.segment().set(ValueLayout.JAVA_BYTE, window.offset(address), (byte) value);
  }
}
