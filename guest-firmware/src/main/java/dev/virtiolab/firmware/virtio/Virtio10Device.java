package dev.virtiolab.firmware.virtio;

import static dev.virtiolab.firmware.virtio.VirtioPciLayout.*;

import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.IoMmu;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import java.util.Arrays;

/**
 * VIRTIO_DEVICE_PROTOCOL over the registers of a modern virtio PCI function.
 *
 * <p>Where a queue is notified is worked out once, when its addresses are set, so that a kick is a
 * single register write; edk2 asks the device four times for each.
 */
final class Virtio10Device implements VirtioDevice {

  private static final long NOT_ENABLED = -1;

  private final PciIo pciIo;
  private final int deviceType;
  private final RegisterBlock common;
  private final RegisterBlock notify;
  private final RegisterBlock device;
  private final long notifyOffMultiplier;
  private final LongRef scratch = new LongRef();
  private final DeviceReset reset;

  /** By queue: where in the notification structure it is kicked, or {@link #NOT_ENABLED}. */
  private long[] notifyOffset = new long[0];

  private int selectedQueue;

  Virtio10Device(
      BootServices bootServices, PciIo pciIo, int deviceType, VirtioPciCapabilities found) {
    this.pciIo = pciIo;
    this.deviceType = deviceType;
    this.common = found.common;
    this.notify = found.notify;
    this.device = found.device;
    this.notifyOffMultiplier = found.notifyOffMultiplier;
    this.reset =
        new DeviceReset(
            bootServices,
            pciIo,
            new DeviceReset.StatusRegister() {
              @Override
              public EfiStatus read(LongRef value) {
                return common.read(COMMON_DEVICE_STATUS, 1, value);
              }

              @Override
              public EfiStatus write(int value) {
                return common.write(COMMON_DEVICE_STATUS, 1, value);
              }
            });
  }

  @Override
  public int revision() {
    return REVISION_1_0_0;
  }

  @Override
  public int subSystemDeviceId() {
    return deviceType;
  }

  @Override
  public EfiStatus getDeviceFeatures(LongRef features) {
    long offered = 0;
    for (int half = 0; half < 2; half++) {
      EfiStatus status = common.write(COMMON_DEVICE_FEATURE_SELECT, 4, half);
      if (!status.isError()) {
        status = common.read(COMMON_DEVICE_FEATURE, 4, scratch);
      }
      if (status.isError()) {
        return status;
      }
      offered |= scratch.value << Integer.SIZE * half;
    }
    features.value = offered;
    return EfiStatus.SUCCESS;
  }

  @Override
  public EfiStatus setGuestFeatures(long features) {
    for (int half = 0; half < 2; half++) {
      EfiStatus status = common.write(COMMON_DRIVER_FEATURE_SELECT, 4, half);
      if (!status.isError()) {
        status = common.write(COMMON_DRIVER_FEATURE, 4, features >>> Integer.SIZE * half);
      }
      if (status.isError()) {
        return status;
      }
    }
    return EfiStatus.SUCCESS;
  }

  @Override
  public EfiStatus setQueueAddress(
      long descriptorTable, long availRing, long usedRing, long ringBaseShift) {
    EfiStatus status = common.read(COMMON_QUEUE_NOTIFY_OFF, 2, scratch);
    if (status.isError()) {
      return status;
    }
    // At most 16 bits by 32: no overflow. It must lie in the structure (4.1.4.4.1 "Device
    // Requirements: Notification capability") and on a 2-byte boundary.
    long kick = scratch.value * notifyOffMultiplier;
    if (!notify.holds(kick, NOTIFY_SIZE) || (kick & 1) != 0) {
      return EfiStatus.DEVICE_ERROR;
    }
    status = common.write(COMMON_QUEUE_DESC, 8, descriptorTable + ringBaseShift);
    if (!status.isError()) {
      status = common.write(COMMON_QUEUE_DRIVER, 8, availRing + ringBaseShift);
    }
    if (!status.isError()) {
      status = common.write(COMMON_QUEUE_DEVICE, 8, usedRing + ringBaseShift);
    }
    if (!status.isError()) {
      status = common.write(COMMON_QUEUE_ENABLE, 2, 1);
    }
    if (!status.isError()) {
      rememberNotifyOffset(kick);
    }
    return status;
  }

  private void rememberNotifyOffset(long kick) {
    int known = notifyOffset.length;
    if (selectedQueue >= known) {
      notifyOffset = Arrays.copyOf(notifyOffset, selectedQueue + 1);
      Arrays.fill(notifyOffset, known, selectedQueue + 1, NOT_ENABLED);
    }
    notifyOffset[selectedQueue] = kick;
  }

  @Override
  public EfiStatus setQueueSel(int index) {
    selectedQueue = index & 0xffff;
    return common.write(COMMON_QUEUE_SELECT, 2, index);
  }

  @Override
  public EfiStatus setQueueNotify(int index) {
    if (index < 0 || index >= notifyOffset.length || notifyOffset[index] == NOT_ENABLED) {
      return EfiStatus.INVALID_PARAMETER;
    }
    return notify.write(notifyOffset[index], NOTIFY_SIZE, index);
  }

  @Override
  public EfiStatus getQueueNumMax(IntRef queueNumMax) {
    EfiStatus status = common.read(COMMON_QUEUE_SIZE, 2, scratch);
    queueNumMax.value = (int) scratch.value & 0xffff;
    return status;
  }

  @Override
  public EfiStatus setQueueNum(int queueSize) {
    IntRef present = new IntRef();
    EfiStatus status = getQueueNumMax(present);
    if (status.isError()) {
      return status;
    }
    return present.value == queueSize ? EfiStatus.SUCCESS : EfiStatus.UNSUPPORTED;
  }

  @Override
  public EfiStatus getDeviceStatus(IntRef status) {
    EfiStatus read = common.read(COMMON_DEVICE_STATUS, 1, scratch);
    status.value = (int) scratch.value & 0xff;
    return read;
  }

  @Override
  public EfiStatus setDeviceStatus(int status) {
    if (status == VirtioStatus.RESET) {
      return reset();
    }
    return common.write(COMMON_DEVICE_STATUS, 1, status);
  }

  private EfiStatus reset() {
    Arrays.fill(notifyOffset, NOT_ENABLED);
    return reset.run();
  }

  @Override
  public EfiStatus getConfigGeneration(IntRef generation) {
    EfiStatus status = common.read(COMMON_CONFIG_GENERATION, 1, scratch);
    generation.value = (int) scratch.value & 0xff;
    return status;
  }

  @Override
  public EfiStatus writeDevice(int offset, int fieldSize, long value) {
    return device == null ? EfiStatus.INVALID_PARAMETER : device.write(offset, fieldSize, value);
  }

  /**
   * A field of up to 4 bytes is one access and cannot tear; one of 8 bytes is two, and read again
   * until the generation does not change (2.5.1 "Driver Requirements: Device Configuration Space").
   */
  @Override
  public EfiStatus readDevice(int offset, int fieldSize, LongRef value) {
    if (device == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    if (fieldSize < 8) {
      return device.read(offset, fieldSize, value);
    }
    IntRef before = new IntRef();
    IntRef after = new IntRef();
    for (int tries = 0; tries < VirtioLib.GENERATION_TRIES; tries++) {
      EfiStatus status = getConfigGeneration(before);
      if (!status.isError()) {
        status = device.read(offset, fieldSize, value);
      }
      if (!status.isError()) {
        status = getConfigGeneration(after);
      }
      if (status.isError() || before.value == after.value) {
        return status;
      }
    }
    return EfiStatus.DEVICE_ERROR;
  }

  @Override
  public EfiStatus allocateSharedPages(long pages, LongRef hostAddress) {
    return pciIo.allocateBuffer(
        AllocateType.ANY_PAGES,
        MemoryType.BOOT_SERVICES_DATA,
        pages,
        hostAddress,
        IoMmu.ATTRIBUTE_MEMORY_CACHED);
  }

  @Override
  public void freeSharedPages(long pages, long hostAddress) {
    pciIo.freeBuffer(pages, hostAddress);
  }

  @Override
  public EfiStatus mapSharedBuffer(
      DmaOperation operation,
      long hostAddress,
      LongRef numberOfBytes,
      LongRef deviceAddress,
      Ref<DmaMapping> mapping) {
    return pciIo.map(operation, hostAddress, numberOfBytes, deviceAddress, mapping);
  }

  @Override
  public EfiStatus unmapSharedBuffer(DmaMapping mapping) {
    return pciIo.unmap(mapping);
  }
}
