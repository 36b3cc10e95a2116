package dev.virtiolab.firmware.virtio;

import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.PciIo;

/**
 * Resets a device on PCI and waits until it says so (virtio v1.4, 4.1.4.3.2 "Driver Requirements:
 * Common configuration structure layout"). One that does not is cut off the bus, so that it cannot
 * write to memory that is not its own any more, until a later reset succeeds.
 */
final class DeviceReset {

  /** The device status field, wherever it is. */
  interface StatusRegister {
    EfiStatus read(LongRef value);

    EfiStatus write(int value);
  }

  /** Looks at the status without a pause before a reset is given time. */
  private static final int LOOKS = 8;

  /** How long a device may take to reset. */
  static final long LIMIT_MICROS = 1_000_000;

  private static final long LONGEST_PAUSE_MICROS = 1024;

  private final BootServices bootServices;
  private final PciIo pciIo;
  private final StatusRegister register;
  private final LongRef scratch = new LongRef();
  private boolean offTheBus;

  DeviceReset(BootServices bootServices, PciIo pciIo, StatusRegister register) {
    this.bootServices = bootServices;
    this.pciIo = pciIo;
    this.register = register;
  }

  /**
   * @return DEVICE_ERROR where it does not end
   */
  EfiStatus run() {
    EfiStatus status = register.write(VirtioStatus.RESET);
    if (!status.isError()) {
      status = await();
    }
    if (status.isError() != offTheBus) {
      offTheBus = status.isError();
      pciIo.attributes(
          offTheBus ? PciIo.AttributeOperation.DISABLE : PciIo.AttributeOperation.ENABLE,
          PciIo.ATTRIBUTE_BUS_MASTER,
          null);
    }
    return status;
  }

  private EfiStatus await() {
    long waited = 0;
    long pause = 1;
    for (int looks = 0; ; looks++) {
      EfiStatus status = register.read(scratch);
      if (status.isError()) {
        return status;
      }
      if (scratch.value == VirtioStatus.RESET) {
        return EfiStatus.SUCCESS;
      }
      if (waited >= LIMIT_MICROS) {
        return EfiStatus.DEVICE_ERROR;
      }
      if (looks >= LOOKS) {
        bootServices.stall(pause);
        waited += pause;
        pause = Math.min(2 * pause, LONGEST_PAUSE_MICROS);
      }
    }
  }
}
