package dev.virtiolab.firmware.virtio;

import static dev.virtiolab.firmware.fixture.device.FakeVirtioPci.COMMON_CAP;
import static dev.virtiolab.firmware.fixture.device.FakeVirtioPci.DEVICE_CAP;
import static dev.virtiolab.firmware.fixture.device.FakeVirtioPci.ISR_CAP;
import static dev.virtiolab.firmware.fixture.device.FakeVirtioPci.NOTIFY_CAP;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.fixture.device.FakeVirtioPci;
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
import org.junit.jupiter.params.provider.ValueSource;

/** The transport driver against registers: virtio v1.4, 4.1 "Virtio Over PCI Bus". */
class Virtio10Test {
  private static final long RAM_BYTES = 16L << 20;
  private static final MemorySegment RAM = Arena.global().allocate(RAM_BYTES, 8);

  private final VirtualClock clock = new VirtualClock();
  private final DxeCore core =
      new DxeCore(new FlatCpuMemory(RAM), clock, HandOffs.withRam(RAM_BYTES));
  private final FakeVirtioPci card = new FakeVirtioPci();
  private final Virtio10Dxe driver = new Virtio10Dxe(core);
  private final Handle controller;

  Virtio10Test() {
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

  @Test
  void aModernNetworkCardIsSupportedAndStartedAndStopped() {
    card.attributes = PciIo.ATTRIBUTE_IO;
    ok(driver.supported(controller));
    VirtioDevice device = started();
    assertEquals(1, device.subSystemDeviceId());
    assertEquals(VirtioDevice.REVISION_1_0_0, device.revision());
    assertEquals(
        PciIo.ATTRIBUTE_IO
            | PciIo.ATTRIBUTE_MEMORY
            | PciIo.ATTRIBUTE_BUS_MASTER
            | PciIo.ATTRIBUTE_DUAL_ADDRESS_CYCLE,
        card.attributes);
    ok(driver.stop(controller));
    assertEquals(PciIo.ATTRIBUTE_IO, card.attributes, "as they were");
    assertTrue(core.handleProtocol(controller, VirtioDevice.PROTOCOL, new Ref<>()).isError());
    ok(driver.supported(controller));
  }

  @ParameterizedTest
  @CsvSource({
    "0, 2, 0x8086",
    "2, 2, 0x103f",
    "2, 2, 0x1080",
    "2, 2, 0x1000",
    "8, 1, 0",
    "0x2e, 2, 0x3f",
    "6, 2, 0"
  })
  void whatIsNoModernVirtioFunctionIsNotSupported(String offset, int width, String value) {
    card.put(Integer.decode(offset), width, Integer.decode(value));
    assertEquals(EfiStatus.UNSUPPORTED, driver.supported(controller));
  }

  @Test
  void eightByteRegistersAreWrittenAsTwoFourByteOnesAndTheQueueIsEnabledLast() {
    VirtioDevice device = started();
    ok(device.setQueueSel(1));
    card.log.clear();
    ok(device.setQueueAddress(0x1000, 0x2000, 0x3000, 0x1_0000_0000L));
    assertEquals(
        List.of(
            "r2 0x1e",
            "w4 0x20=1000",
            "w4 0x24=1",
            "w4 0x28=2000",
            "w4 0x2c=1",
            "w4 0x30=3000",
            "w4 0x34=1",
            "w2 0x1c=1"),
        card.log);
    assertTrue(card.enabled[1]);
    assertEquals(0x1_0000_2000L, card.areas[1][1]);
  }

  @Test
  void aKickIsOneWriteAtNotifyOffTimesTheMultiplier() {
    VirtioDevice device = started();
    for (int queue = 0; queue < 2; queue++) {
      ok(device.setQueueSel(queue));
      ok(device.setQueueAddress(0x1000, 0x2000, 0x3000, 0));
    }
    card.log.clear();
    ok(device.setQueueNotify(1));
    ok(device.setQueueNotify(0));
    assertEquals(List.of("w2 0x3004=1", "w2 0x3000=0"), card.log);
    assertEquals(EfiStatus.INVALID_PARAMETER, device.setQueueNotify(2));
    assertEquals(EfiStatus.INVALID_PARAMETER, device.setQueueNotify(-1));
    ok(device.setDeviceStatus(0));
    assertEquals(EfiStatus.INVALID_PARAMETER, device.setQueueNotify(1), "gone with the reset");
  }

  @ParameterizedTest
  @CsvSource({
    "1023, 4, true",
    "1024, 4, false",
    "65535, 0xffffffff, false",
    "1, 3, false",
    "65535, 0, true",
    "2047, 2, true",
    "4095, 1, false"
  })
  void aNotificationMustLieInItsStructure(int notifyOff, String multiplier, boolean good) {
    card.notifyOff = notifyOff;
    card.put(NOTIFY_CAP + 16, 4, Long.decode(multiplier));
    VirtioDevice device = started();
    ok(device.setQueueSel(0));
    EfiStatus expected = good ? EfiStatus.SUCCESS : EfiStatus.DEVICE_ERROR;
    assertEquals(expected, device.setQueueAddress(0x1000, 0x2000, 0x3000, 0));
    assertEquals(good, card.enabled[0]);
  }

  @Test
  void featuresAreReadAndWrittenInHalves() {
    card.features = 0x1_2345_6789L << 4;
    VirtioDevice device = started();
    LongRef features = new LongRef();
    ok(device.getDeviceFeatures(features));
    assertEquals(card.features, features.value);
    ok(device.setGuestFeatures(0x3_0000_0020L));
    assertEquals(0x3_0000_0020L, card.guestFeatures);
  }

  @Test
  void theQueueSizeIsTheDevicesOwn() {
    VirtioDevice device = started();
    IntRef size = new IntRef();
    ok(device.getQueueNumMax(size));
    assertEquals(256, size.value);
    ok(device.setQueueNum(256));
    assertEquals(EfiStatus.UNSUPPORTED, device.setQueueNum(128));
  }

  @Test
  void aResetWaitsUntilTheDeviceSaysSo() {
    VirtioDevice device = started();
    card.resetLooks = 20;
    ok(device.setDeviceStatus(3));
    ok(device.setDeviceStatus(0));
    assertEquals(0, card.status());
    assertTrue(clock.nanos() > 0, "time was given to it");
    long before = clock.nanos();
    card.resetLooks = 0;
    ok(device.setDeviceStatus(3));
    ok(device.setDeviceStatus(0));
    assertEquals(before, clock.nanos(), "a prompt one costs none");
  }

  @Test
  @Timeout(value = 10, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  void aStatusThatNeverClearsIsADeviceErrorInBoundedTimeAndCutsTheDeviceOffTheBus() {
    VirtioDevice device = started();
    ok(device.setDeviceStatus(3));
    card.neverResets = true;
    long before = clock.nanos();
    assertEquals(EfiStatus.DEVICE_ERROR, device.setDeviceStatus(0));
    long micros = (clock.nanos() - before) / 1000;
    assertTrue(micros >= 1_000_000 && micros < 1_100_000, "micros=" + micros);
    assertEquals(0, card.attributes & PciIo.ATTRIBUTE_BUS_MASTER);
    card.neverResets = false;
    ok(device.setDeviceStatus(0));
    assertEquals(PciIo.ATTRIBUTE_BUS_MASTER, card.attributes & PciIo.ATTRIBUTE_BUS_MASTER);
  }

  @Test
  void deviceConfigurationIsReadByFieldAndWithinItsStructure() {
    card.put(DEVICE_CAP + 12, 4, 8);
    VirtioDevice device = started();
    LongRef value = new LongRef();
    ok(device.readDevice(6, 2, value));
    assertEquals(1, value.value);
    ok(device.readDevice(0, 8, value));
    assertEquals(0x0001_5634_1200_5452L, value.value);
    assertEquals(List.of("r2 0x2006", "r1 0x15", "r4 0x2000", "r4 0x2004", "r1 0x15"), card.log);
    for (int[] bad : new int[][] {{8, 1}, {7, 2}, {5, 4}, {1, 8}, {-1, 1}, {0, 3}, {0, 0}}) {
      assertEquals(EfiStatus.INVALID_PARAMETER, device.readDevice(bad[0], bad[1], value));
    }
    assertEquals(EfiStatus.INVALID_PARAMETER, device.readDevice(Integer.MAX_VALUE, 4, value));
  }

  @Test
  void aGenerationThatNeverSettlesIsADeviceErrorAfterABoundedNumberOfTries() {
    VirtioDevice device = started();
    card.generationNeverSettles = true;
    LongRef value = new LongRef();
    assertEquals(EfiStatus.DEVICE_ERROR, device.readDevice(0, 8, value));
    assertTrue(card.log.size() < 100);
    card.log.clear();
    assertEquals(EfiStatus.DEVICE_ERROR, VirtioLib.virtioReadDeviceBytes(device, 0, 6, value));
    assertTrue(card.log.size() < 200);
    card.generationNeverSettles = false;
    ok(VirtioLib.virtioReadDeviceBytes(device, 0, 6, value));
    assertEquals(0x5254_0012_3456L, value.value);
  }

  @ParameterizedTest
  @Timeout(value = 10, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  @ValueSource(ints = {NOTIFY_CAP, DEVICE_CAP, ISR_CAP, COMMON_CAP})
  void aCapabilityListThatLoopsIsADeviceError(int backTo) {
    card.put(COMMON_CAP + 1, 1, backTo);
    assertEquals(EfiStatus.DEVICE_ERROR, driver.start(controller));
    assertEquals(0, card.attributes);
    ok(driver.supported(controller));
  }

  @Test
  void aCapabilityListMayEndInTheHeaderAndItsPointersLowBitsDoNotCount() {
    card.put(COMMON_CAP + 1, 1, 0x10);
    card.put(NOTIFY_CAP + 1, 1, DEVICE_CAP | 3);
    started();
  }

  @ParameterizedTest
  @CsvSource({
    "4, 1, 5", // a BAR that does not exist
    "4, 1, 6", // a reserved one
    "4, 1, 255",
    "4, 1, 1", // a BAR that is too small
    "8, 4, 0x3001", // past the end by one
    "8, 4, 0x4000",
    "8, 4, 0xfffffffc", // wraps in 32 bits
    "12, 4, 0x4001",
    "12, 4, 0xffffffff",
    "12, 4, 0x37", // shorter than the structure
    "8, 4, 2", // not aligned
    "2, 1, 15", // the capability itself is too short
    "2, 1, 0xff" // or runs out of configuration space
  })
  void aCapabilityThatIsNotAsItMustIsPassedOver(String field, int width, String value) {
    card.barLength[1] = 0x800;
    card.put(COMMON_CAP + Integer.decode(field), width, Long.decode(value));
    assertEquals(EfiStatus.UNSUPPORTED, driver.start(controller));
    assertEquals(0, card.attributes);
  }

  @Test
  void aStructureInAnIoBarIsPassedOver() {
    card.put(0x10 + 4 * FakeVirtioPci.BAR, 4, 1);
    assertEquals(EfiStatus.UNSUPPORTED, driver.start(controller));
  }

  @Test
  void aNotificationCapabilityWithoutItsMultiplierIsPassedOver() {
    card.put(NOTIFY_CAP + 2, 1, 16);
    assertEquals(EfiStatus.UNSUPPORTED, driver.start(controller));
  }

  @Test
  void ofTwoGoodCapabilitiesTheFirstIsTakenAndABadFirstDoesNotHideAGoodSecond() {
    card.put(COMMON_CAP + 1, 1, 0x90);
    card.capability(0x90, 0xa0, 16, 1, 0x1000);
    card.capability(0xa0, 0, 16, 200, 0);
    VirtioDevice device = started();
    ok(device.setQueueSel(0));
    assertEquals(List.of("w2 0x16=0"), card.log);
    ok(driver.stop(controller));
    card.put(COMMON_CAP + 8, 4, 0x4000);
    device = started();
    assertEquals(0, card.log.size());
    assertFalse(device.getDeviceStatus(new IntRef()).isError());
    assertEquals(List.of("r1 0x1014"), card.log);
  }

  @Test
  void aDeviceWithoutConfigurationHasNoneToRead() {
    card.put(DEVICE_CAP + 3, 1, 200);
    VirtioDevice device = started();
    assertEquals(EfiStatus.INVALID_PARAMETER, device.readDevice(0, 1, new LongRef()));
    assertEquals(EfiStatus.INVALID_PARAMETER, device.writeDevice(0, 1, 0));
  }

  @Test
  void errorsOfPciIoComeThrough() {
    VirtioDevice device = started();
    card.answer = EfiStatus.TIMEOUT;
    assertEquals(EfiStatus.TIMEOUT, device.getDeviceFeatures(new LongRef()));
    assertEquals(EfiStatus.TIMEOUT, device.setGuestFeatures(0));
    assertEquals(EfiStatus.TIMEOUT, device.setDeviceStatus(0));
    assertEquals(EfiStatus.TIMEOUT, device.setDeviceStatus(1));
    assertEquals(EfiStatus.TIMEOUT, device.setQueueNum(256));
    assertEquals(EfiStatus.TIMEOUT, device.setQueueAddress(0, 0, 0, 0));
    assertEquals(EfiStatus.TIMEOUT, device.readDevice(0, 8, new LongRef()));
  }
}
