package dev.virtiolab.firmware.iommu;

import static dev.virtiolab.firmware.uefi.DmaOperation.*;
import static org.junit.jupiter.api.Assertions.*;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.exitboot.policy.StagedTeardown;
import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.TestSeat;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.iommu.BounceSlots.SlotClass;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.DmaMapping;
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
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The driver on the platform {@code sev}: what a device and the DRAM show of each mapping. */
class SevPlatformDmaTest {
  private static final long RAM_BYTES = 16 << 20;
  private static final String SECRET = "thirty-two bytes of plain secret";
  private static final int LENGTH = SECRET.length();

  private final PhysicalMemory ram = PhysicalMemory.allocate(RAM_BYTES);
  private final Platform platform =
      Platforms.create(PlatformKind.SEV, ram, new SplittableRandom(1));
  private final BusMemory bus = platform.busMemory(0x20);
  private final DxeCore core =
      new DxeCore(platform.cpuMemory(), new VirtualClock(), HandOffs.withRam(RAM_BYTES));
  private final LongRef device = new LongRef();

  @AfterEach
  void close() {
    platform.close();
    ram.close();
  }

  @Test
  void aReadMappingShowsTheDevicePlaintextAndAfterUnmapCiphertext() {
    IoMmuDxe ioMmu = start(BounceSlots.NONE);
    long client = page();
    write(client, SECRET + "and what is not meant for the device");
    DmaMapping mapping = map(ioMmu, client);

    byte[] seen = deviceBytes(device.value, 4096);
    assertEquals(SECRET, new String(seen, 0, LENGTH, StandardCharsets.US_ASCII));
    for (int i = LENGTH; i < 4096; i++) {
      assertEquals(0, seen[i], "padding at " + i);
    }
    assertFalse(deviceText(client).equals(SECRET), "the client's own page is in the open");

    assertEquals(EfiStatus.SUCCESS, ioMmu.unmap(mapping));
    byte[] after = deviceBytes(device.value, 4096);
    int zeros = 0;
    for (byte b : after) {
      zeros += b == 0 ? 1 : 0;
    }
    assertTrue(zeros < 200, "a private page of zeros is ciphertext: zeros=" + zeros);
    assertFalse(deviceText(device.value).equals(SECRET));
  }

  @Test
  void aCommonBufferIsPlaintextToTheDeviceOnlyWhileItIsMapped() {
    IoMmuDxe ioMmu = start(BounceSlots.NONE);
    LongRef host = new LongRef();
    assertEquals(
        EfiStatus.SUCCESS,
        ioMmu.allocateBuffer(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1, host, 0));
    write(host.value, SECRET);
    assertNotEquals(SECRET, deviceText(host.value));

    Ref<DmaMapping> mapping = new Ref<>();
    LongRef bytes = new LongRef(LENGTH);
    assertEquals(
        EfiStatus.SUCCESS, ioMmu.map(BUS_MASTER_COMMON_BUFFER, host.value, bytes, device, mapping));
    assertEquals(SECRET, deviceText(host.value));
    assertEquals(SECRET, dramText(host.value));

    assertEquals(EfiStatus.SUCCESS, ioMmu.unmap(mapping.value));
    assertNotEquals(SECRET, deviceText(host.value));
    assertNotEquals(SECRET, dramText(host.value));
    assertEquals(SECRET, cpuText(host.value));
  }

  @Test
  void whatTheDeviceWritesArrivesEncrypted() {
    IoMmuDxe ioMmu = start(BounceSlots.OVMF);
    long client = page();
    write(client, "x".repeat(LENGTH));
    Ref<DmaMapping> mapping = new Ref<>();
    assertEquals(
        EfiStatus.SUCCESS,
        ioMmu.map(BUS_MASTER_WRITE, client, new LongRef(LENGTH), device, mapping));
    deviceWrites(device.value, SECRET);
    assertEquals(EfiStatus.SUCCESS, ioMmu.unmap(mapping.value));
    assertEquals(SECRET, cpuText(client));
    assertNotEquals(SECRET, deviceText(client));
    assertArrayEquals(new byte[4096], deviceBytes(device.value, 4096), "slot is not zeroed");
  }

  @Test
  void afterExitBootServicesNoSecretIsInTheOpenButWhatACommonBufferLeftInASlot() {
    IoMmuDxe ioMmu =
        start(new BounceSlots(List.of(new SlotClass(4096, 1), new SlotClass(8192, 1))));
    long client = page();
    write(client, SECRET);
    map(ioMmu, client);
    LongRef host = new LongRef();
    ioMmu.allocateBuffer(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1, host, 0);
    write(host.value, SECRET);
    ioMmu.map(
        BUS_MASTER_COMMON_BUFFER, host.value, new LongRef(LENGTH), new LongRef(), new Ref<>());

    LongRef key = new LongRef();
    core.getMemoryMap(new LongRef(1 << 20), new Ref<>(), key);
    assertEquals(EfiStatus.SUCCESS, core.exitBootServices(key.value));

    assertFalse(platform.pageAttributes().orElseThrow().isShared(host.value));
    assertNotEquals(SECRET, dramText(device.value));
    assertEquals(SECRET, dramText(host.value));
    assertNotEquals(SECRET, cpuText(host.value));
  }

  private IoMmuDxe start(BounceSlots slots) {
    IoMmuDxe ioMmu =
        new IoMmuDxe(
            core,
            platform.cpuMemory(),
            HandOffs.withRam(RAM_BYTES),
            platform.pageAttributes().orElseThrow(),
            slots,
            new DmaCounters(),
            DmaObserver.NONE);
    assertEquals(EfiStatus.SUCCESS, ioMmu.start());
    TestSeat.arm(StagedTeardown.requeueCallback(), core, ioMmu);
    return ioMmu;
  }

  private DmaMapping map(IoMmuDxe ioMmu, long client) {
    Ref<DmaMapping> mapping = new Ref<>();
    assertEquals(
        EfiStatus.SUCCESS,
        ioMmu.map(BUS_MASTER_READ, client, new LongRef(LENGTH), device, mapping));
    return mapping.value;
  }

  private long page() {
    LongRef address = new LongRef();
    core.allocatePages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1, address);
    return address.value;
  }

  private void write(long address, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
    platform.cpuMemory().write(address, MemorySegment.ofArray(bytes), 0, bytes.length);
  }

  private String cpuText(long address) {
    byte[] bytes = new byte[LENGTH];
    platform.cpuMemory().read(address, MemorySegment.ofArray(bytes), 0, LENGTH);
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }

  private String dramText(long address) {
    byte[] bytes = new byte[LENGTH];
    platform
        .dram()
        .read(platform.dram().systemPhysical(address), MemorySegment.ofArray(bytes), 0, LENGTH);
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }

  private byte[] deviceBytes(long address, int length) {
    DmaWindow window = new DmaWindow();
    assertTrue(bus.resolve(address, DmaAccess.READ, window));
    assertTrue(window.remaining(address) >= length);
    return window.segment().asSlice(window.offset(address), length).toArray(ValueLayout.JAVA_BYTE);
  }

  private String deviceText(long address) {
    return new String(deviceBytes(address, LENGTH), StandardCharsets.ISO_8859_1);
  }

  private void deviceWrites(long address, String text) {
    DmaWindow window = new DmaWindow();
    assertTrue(bus.resolve(address, DmaAccess.WRITE, window));
    byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
    MemorySegment.copy(
        bytes, 0, window.segment(), ValueLayout.JAVA_BYTE, window.offset(address), bytes.length);
  }
}
