package dev.virtiolab.firmware.virtio;

import static dev.virtiolab.firmware.virtio.VirtioPciLayout.*;

import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.VirtioDevice;

/**
 * VIRTIO_DEVICE_PROTOCOL over the legacy interface: the ports in BAR 0 (virtio v1.4, 4.1.4.10
 * "Legacy Interfaces: A Note on PCI Device Layout"; edk2, OvmfPkg/VirtioPciDeviceDxe).
 *
 * <p>Nothing is mapped, as in edk2: a legacy device uses the CPU's addresses, whatever stands
 * between. Where that does not work, VirtioNetDxe refuses the device, since it does not offer
 * VIRTIO_F_ACCESS_PLATFORM.
 */
final class VirtioPciDevice implements VirtioDevice {
  private static final int PAGE_SHIFT = 12;
  private static final long PAGE_MASK = (1 << PAGE_SHIFT) - 1;
  private static final long WORD_MASK = 0xffff_ffffL;

  /** What every Map returns: there is nothing to undo. */
  private static final DmaMapping NO_MAPPING = new DmaMapping() {};

  private final BootServices bootServices;
  private final PciIo pciIo;
  private final int deviceType;
  private final LongRef scratch = new LongRef();
  private final DeviceReset reset;

  VirtioPciDevice(BootServices bootServices, PciIo pciIo, int deviceType) {
    this.bootServices = bootServices;
    this.pciIo = pciIo;
    this.deviceType = deviceType;
    this.reset =
        new DeviceReset(
            bootServices,
            pciIo,
            new DeviceReset.StatusRegister() {
              @Override
              public EfiStatus read(LongRef value) {
                return ioRead(LEGACY_DEVICE_STATUS, 1, value);
              }

              @Override
              public EfiStatus write(int value) {
                return ioWrite(LEGACY_DEVICE_STATUS, 1, value);
              }
            });
  }

  // ---- ports

  private EfiStatus ioRead(int offset, int size, LongRef value) {
    return switch (size) {
      case 1 -> pciIo.ioRead(PciIo.Width.UINT8, LEGACY_BAR, offset, value);
      case 2 -> pciIo.ioRead(PciIo.Width.UINT16, LEGACY_BAR, offset, value);
      case 4 -> pciIo.ioRead(PciIo.Width.UINT32, LEGACY_BAR, offset, value);
      case 8 -> {
        EfiStatus status = ioRead(offset, 4, value);
        if (status.isError()) {
          yield status;
        }
        long low = value.value;
        status = ioRead(offset + 4, 4, value);
        value.value = value.value << Integer.SIZE | low;
        yield status;
      }
      default -> EfiStatus.INVALID_PARAMETER;
    };
  }

  private EfiStatus ioWrite(int offset, int size, long value) {
    return switch (size) {
      case 1 -> pciIo.ioWrite(PciIo.Width.UINT8, LEGACY_BAR, offset, value & 0xff);
      case 2 -> pciIo.ioWrite(PciIo.Width.UINT16, LEGACY_BAR, offset, value & 0xffff);
      case 4 -> pciIo.ioWrite(PciIo.Width.UINT32, LEGACY_BAR, offset, value & WORD_MASK);
      case 8 -> {
        EfiStatus status = ioWrite(offset, 4, value);
        yield status.isError() ? status : ioWrite(offset + 4, 4, value >>> Integer.SIZE);
      }
      default -> EfiStatus.INVALID_PARAMETER;
    };
  }

  /** Whether the ports are there at all. */
  EfiStatus probe() {
    return ioRead(LEGACY_DEVICE_STATUS, 1, scratch);
  }

  // ---- the protocol

  @Override
  public int revision() {
    return REVISION_0_9_5;
  }

  @Override
  public int subSystemDeviceId() {
    return deviceType;
  }

  @Override
  public EfiStatus getDeviceFeatures(LongRef features) {
    return ioRead(LEGACY_DEVICE_FEATURES, 4, features);
  }

  @Override
  public EfiStatus setGuestFeatures(long features) {
    return (features & ~WORD_MASK) != 0
        ? EfiStatus.UNSUPPORTED
        : ioWrite(LEGACY_DRIVER_FEATURES, 4, features);
  }

  /** {@inheritDoc} The rings are contiguous from a page on, as {@link VirtioRing} lays them out. */
  @Override
  public EfiStatus setQueueAddress(
      long descriptorTable, long availRing, long usedRing, long ringBaseShift) {
    long page = descriptorTable >>> PAGE_SHIFT;
    if ((descriptorTable & PAGE_MASK) != 0 || ringBaseShift != 0 || (page & ~WORD_MASK) != 0) {
      return EfiStatus.INVALID_PARAMETER;
    }
    return ioWrite(LEGACY_QUEUE_ADDRESS, 4, page);
  }

  @Override
  public EfiStatus setQueueSel(int index) {
    return ioWrite(LEGACY_QUEUE_SELECT, 2, index);
  }

  @Override
  public EfiStatus setQueueNotify(int index) {
    return ioWrite(LEGACY_QUEUE_NOTIFY, 2, index);
  }

  @Override
  public EfiStatus getQueueNumMax(IntRef queueNumMax) {
    EfiStatus status = ioRead(LEGACY_QUEUE_SIZE, 2, scratch);
    queueNumMax.value = (int) scratch.value & 0xffff;
    return status;
  }

  /** {@inheritDoc} "There was no mechanism to negotiate the queue size" (4.1.5.1.3.1). */
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
    EfiStatus read = ioRead(LEGACY_DEVICE_STATUS, 1, scratch);
    status.value = (int) scratch.value & 0xff;
    return read;
  }

  @Override
  public EfiStatus setDeviceStatus(int status) {
    return status == VirtioStatus.RESET ? reset.run() : ioWrite(LEGACY_DEVICE_STATUS, 1, status);
  }

  @Override
  public EfiStatus getConfigGeneration(IntRef generation) {
    generation.value = 0;
    return EfiStatus.SUCCESS;
  }

  @Override
  public EfiStatus writeDevice(int offset, int fieldSize, long value) {
    return ioWrite(LEGACY_CONFIG + offset, fieldSize, value);
  }

  @Override
  public EfiStatus readDevice(int offset, int fieldSize, LongRef value) {
    return ioRead(LEGACY_CONFIG + offset, fieldSize, value);
  }

  // ---- memory

  @Override
  public EfiStatus allocateSharedPages(long pages, LongRef hostAddress) {
    return bootServices.allocatePages(
        AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, pages, hostAddress);
  }

  @Override
  public void freeSharedPages(long pages, long hostAddress) {
    bootServices.freePages(hostAddress, pages);
  }

  @Override
  public EfiStatus mapSharedBuffer(
      DmaOperation operation,
      long hostAddress,
      LongRef numberOfBytes,
      LongRef deviceAddress,
      Ref<DmaMapping> mapping) {
    deviceAddress.value = hostAddress;
    mapping.value = NO_MAPPING;
    return EfiStatus.SUCCESS;
  }

  @Override
  public EfiStatus unmapSharedBuffer(DmaMapping mapping) {
    return mapping == NO_MAPPING ? EfiStatus.SUCCESS : EfiStatus.INVALID_PARAMETER;
  }
}
