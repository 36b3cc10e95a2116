package dev.virtiolab.firmware.virtio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.fixture.device.FakeVirtioPci;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.pci.fixture.FlatCpuMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The transport driver against ports: virtio v1.4, 4.1.4.10. */
class VirtioPciDeviceTest {
  private static final long RAM_BYTES = 16L << 20;
  private static final MemorySegment RAM = Arena.global().allocate(RAM_BYTES, 8);

  private final VirtualClock clock = new VirtualClock();
  private final DxeCore core =
      new DxeCore(new FlatCpuMemory(RAM), clock, HandOffs.withRam(RAM_BYTES));
  private final FakeVirtioPci card = FakeVirtioPci.transitional();
  private final VirtioPciDeviceDxe driver = new VirtioPciDeviceDxe(core);
  private final Handle controller;

  VirtioPciDeviceTest() {
    Ref<Handle> handle = new Ref<>();
    ok(core.installProtocolInterface(handle, PciIo.PROTOCOL, card));
    controller = handle.value;
    ok(driver.install());
  }

  private static void ok(EfiStatus status) {
    assertEquals(EfiStatus.SUCCESS, status);
  }

  private VirtioDevice started() {
    ok(driver.start(controller));
    Ref<VirtioDevice> found = new Ref<>();
    ok(core.handleProtocol(controller, VirtioDevice.PROTOCOL, found));
    card.log.clear();
    return found.value;
  }

  /** As in edk2: what has a legacy interface is driven by that, whatever else it has. */
  @Test
  void aTransitionalCardIsThisDriversAndNotTheModernOnes() {
    card.attributes = PciIo.ATTRIBUTE_MEMORY;
    Virtio10Dxe modern = new Virtio10Dxe(core);
    ok(modern.install());
    assertEquals(EfiStatus.UNSUPPORTED, modern.supported(controller));
    ok(driver.supported(controller));
    VirtioDevice device = started();
    assertEquals(1, device.subSystemDeviceId());
    assertEquals(VirtioDevice.REVISION_0_9_5, device.revision());
    assertEquals(
        PciIo.ATTRIBUTE_MEMORY | PciIo.ATTRIBUTE_IO | PciIo.ATTRIBUTE_BUS_MASTER, card.attributes);
    ok(driver.stop(controller));
    assertEquals(PciIo.ATTRIBUTE_MEMORY, card.attributes, "as they were");
    assertTrue(core.handleProtocol(controller, VirtioDevice.PROTOCOL, new Ref<>()).isError());
  }

  @ParameterizedTest
  @CsvSource({"0, 2, 0x8086", "2, 2, 0xfff", "2, 2, 0x1040", "2, 2, 0x1041", "8, 1, 1"})
  void whatIsNoLegacyVirtioFunctionIsNotSupported(String offset, int width, String value) {
    card.put(Integer.decode(offset), width, Integer.decode(value));
    assertEquals(EfiStatus.UNSUPPORTED, driver.supported(controller));
  }

  @Test
  void withoutPortsItDoesNotStartAndLeavesEverythingAsItWas() {
    card.ports = false;
    card.attributes = PciIo.ATTRIBUTE_MEMORY;
    assertEquals(EfiStatus.UNSUPPORTED, driver.start(controller));
    assertEquals(PciIo.ATTRIBUTE_MEMORY, card.attributes);
    assertTrue(core.handleProtocol(controller, VirtioDevice.PROTOCOL, new Ref<>()).isError());
  }

  @Test
  void eachRegisterIsOneAccessOfItsWidth() {
    VirtioDevice device = started();
    LongRef value = new LongRef();
    IntRef number = new IntRef();
    card.features = 0x1_79bf_ffe7L;
    ok(device.getDeviceFeatures(value));
    assertEquals(0x79bf_ffe7L, value.value, "32 bits");
    ok(device.setGuestFeatures(0x1_0020));
    ok(device.setQueueSel(1));
    ok(device.getQueueNumMax(number));
    assertEquals(256, number.value);
    ok(device.setQueueAddress(0x30_0000, 0x30_1000, 0x30_2000, 0));
    assertEquals(0x30_0000, card.areas[1][0]);
    ok(device.setDeviceStatus(7));
    ok(device.getDeviceStatus(number));
    assertEquals(7, number.value);
    ok(device.setQueueNotify(1));
    ok(device.readDevice(6, 2, value));
    assertEquals(1, value.value);
    assertEquals(
        List.of(
            "in4 0x0",
            "out4 0x4=10020",
            "out2 0xe=1",
            "in2 0xc",
            "out4 0x8=300",
            "out1 0x12=7",
            "in1 0x12",
            "out2 0x10=1",
            "in2 0x1a"),
        card.log);
  }

  @Test
  void eightBytesAreTwoAccesses() {
    VirtioDevice device = started();
    LongRef value = new LongRef();
    ok(device.readDevice(0, 8, value));
    assertEquals(0x0001_5634_1200_5452L, value.value);
    assertEquals(List.of("in4 0x14", "in4 0x18"), card.log);
    assertEquals(EfiStatus.INVALID_PARAMETER, device.readDevice(0, 3, value));
  }

  @Test
  void whatTheInterfaceCannotSayIsRefused() {
    VirtioDevice device = started();
    assertEquals(EfiStatus.UNSUPPORTED, device.setGuestFeatures(1L << 32));
    assertEquals(EfiStatus.UNSUPPORTED, device.setQueueNum(128));
    ok(device.setQueueNum(256));
    EfiStatus invalid = EfiStatus.INVALID_PARAMETER;
    assertEquals(invalid, device.setQueueAddress(0x30_0010, 0, 0, 0), "no page");
    assertEquals(invalid, device.setQueueAddress(0x30_0000, 0, 0, 0x1000), "shifted");
    assertEquals(invalid, device.setQueueAddress(1L << 44, 0, 0, 0), "beyond 32 bits of pages");
    ok(device.setQueueAddress((1L << 44) - 4096, 0, 0, 0));
  }

  /** Nothing is mapped: what the device is given are the CPU's addresses. */
  @Test
  void mappingIsNothing() {
    VirtioDevice device = started();
    LongRef bytes = new LongRef(100);
    LongRef address = new LongRef();
    Ref<DmaMapping> mapping = new Ref<>();
    ok(device.mapSharedBuffer(DmaOperation.BUS_MASTER_WRITE, 0x12_3456, bytes, address, mapping));
    assertEquals(0x12_3456, address.value);
    assertEquals(100, bytes.value);
    ok(device.unmapSharedBuffer(mapping.value));
    assertEquals(EfiStatus.INVALID_PARAMETER, device.unmapSharedBuffer(null));
    LongRef pages = new LongRef();
    ok(device.allocateSharedPages(3, pages));
    device.freeSharedPages(3, pages.value);
    assertTrue(card.log.isEmpty());
  }

  @Test
  @Timeout(value = 10, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  void aStatusThatNeverClearsCutsTheDeviceOffTheBus() {
    VirtioDevice device = started();
    ok(device.setDeviceStatus(3));
    card.neverResets = true;
    assertEquals(EfiStatus.DEVICE_ERROR, device.setDeviceStatus(0));
    assertEquals(0, card.attributes & PciIo.ATTRIBUTE_BUS_MASTER);
    card.neverResets = false;
    ok(device.setDeviceStatus(0));
    assertEquals(PciIo.ATTRIBUTE_BUS_MASTER, card.attributes & PciIo.ATTRIBUTE_BUS_MASTER);
  }

  /** 2.5.4: without a generation it is read until it comes twice. */
  @Test
  void whatIsReadTogetherIsReadTwice() {
    VirtioDevice device = started();
    LongRef mac = new LongRef();
    ok(VirtioLib.virtioReadDeviceBytes(device, 0, 6, mac));
    assertEquals(0x5254_0012_3456L, mac.value);
    assertEquals(12, card.log.size());
    card.answer = EfiStatus.DEVICE_ERROR;
    assertEquals(EfiStatus.DEVICE_ERROR, VirtioLib.virtioReadDeviceBytes(device, 0, 6, mac));
  }
}
