package dev.virtiolab.firmware.virtio;

import static dev.virtiolab.firmware.virtio.VirtioPciLayout.*;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.PciIo;

/**
 * Finds a virtio device's structures by walking its capability list.
 *
 * <p>The list and all in it is the device's word. Each capability is visited at most once; one that
 * does not fit into configuration space, names a BAR that is missing or no memory, or points out of
 * its BAR is passed over, and the first good one of each type is taken (4.1.4.1 "Driver
 * Requirements: Virtio Structure PCI Capabilities").
 */
final class VirtioPciCapabilities {

  RegisterBlock common;
  RegisterBlock notify;
  RegisterBlock device;

  /** Of queue_notify_off, in bytes: unsigned 32-bit. */
  long notifyOffMultiplier;

  private final PciIo pciIo;
  private final LongRef scratch = new LongRef();
  private EfiStatus failure = EfiStatus.SUCCESS;

  VirtioPciCapabilities(PciIo pciIo) {
    this.pciIo = pciIo;
  }

  /**
   * @return DEVICE_ERROR where the list loops, UNSUPPORTED where no good common or notification
   *     structure is in it, or what PciIo returns
   */
  EfiStatus parse() {
    long visited = 0;
    int at = config(PCI_CAPABILITY_POINTER, 1) & ~3;
    while (at >= PCI_FIRST_CAPABILITY && !failure.isError()) {
      long bit = 1L << (at >> 2);
      if ((visited & bit) != 0) {
        return EfiStatus.DEVICE_ERROR;
      }
      visited |= bit;
      if (config(at + CAP_VNDR, 1) == CAP_ID_VENDOR) {
        parseOne(at);
      }
      at = config(at + CAP_NEXT, 1) & ~3;
    }
    if (failure.isError()) {
      return failure;
    }
    return common == null || notify == null ? EfiStatus.UNSUPPORTED : EfiStatus.SUCCESS;
  }

  private void parseOne(int at) {
    int length = config(at + CAP_LEN, 1);
    if (length < CAP_SIZE || at + length > PCI_CONFIG_SIZE) {
      return;
    }
    switch (config(at + CAP_CFG_TYPE, 1)) {
      case CFG_TYPE_COMMON -> {
        if (common == null) {
          common = block(at, 4, COMMON_SIZE);
        }
      }
      case CFG_TYPE_NOTIFY -> {
        if (notify == null && length >= NOTIFY_CAP_SIZE) {
          notify = block(at, 2, NOTIFY_SIZE);
          notifyOffMultiplier = Integer.toUnsignedLong(config(at + CAP_NOTIFY_OFF_MULTIPLIER, 4));
        }
      }
      case CFG_TYPE_DEVICE -> {
        if (device == null) {
          device = block(at, 4, 1);
        }
      }
      default -> {
        // ISR status is not needed by a driver that polls; the rest is not ours.
      }
    }
  }

  /** The structure that the capability at {@code at} points to, or null if it is not as it must. */
  private RegisterBlock block(int at, int alignment, int atLeast) {
    int bar = config(at + CAP_BAR, 1);
    long offset = Integer.toUnsignedLong(config(at + CAP_OFFSET, 4));
    long length = Integer.toUnsignedLong(config(at + CAP_LENGTH, 4));
    if (bar >= PCI_BARS || offset % alignment != 0 || length < atLeast) {
      return null;
    }
    if ((config(PCI_BAR0 + 4 * bar, 4) & PCI_BAR_IO_SPACE) != 0) {
      return null;
    }
    LongRef size = new LongRef();
    EfiStatus status = pciIo.getBarAttributes(bar, scratch, size);
    if (status.isError() || size.value < 0 || offset + length > size.value) {
      return null;
    }
    return new RegisterBlock(pciIo, bar, offset, length);
  }

  private int config(int offset, int bytes) {
    PciIo.Width width = bytes == 1 ? PciIo.Width.UINT8 : PciIo.Width.UINT32;
    EfiStatus status = pciIo.pciRead(width, offset, scratch);
    if (status.isError()) {
      failure = status;
      return 0;
    }
    return (int) scratch.value;
  }
}
