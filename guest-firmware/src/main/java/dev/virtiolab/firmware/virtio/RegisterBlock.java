package dev.virtiolab.firmware.virtio;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.PciIo;

/**
 * A structure in a memory BAR that a capability pointed out, checked against its BAR when it was
 * found: virtio v1.4, 4.1.4 "Virtio Structure PCI Capabilities".
 *
 * @param bar 0 to 5
 * @param offset of the structure in the BAR, in bytes
 * @param length of the structure, in bytes
 */
record RegisterBlock(PciIo pciIo, int bar, long offset, long length) {

  /**
   * Reads a register of 1, 2, 4 or 8 bytes; of 8 as two of 4, low half first.
   *
   * @return INVALID_PARAMETER where the register does not lie in the structure
   */
  EfiStatus read(long fieldOffset, int fieldSize, LongRef value) {
    if (!holds(fieldOffset, fieldSize)) {
      return EfiStatus.INVALID_PARAMETER;
    }
    long at = offset + fieldOffset;
    return switch (fieldSize) {
      case 1 -> pciIo.memRead(PciIo.Width.UINT8, bar, at, value);
      case 2 -> pciIo.memRead(PciIo.Width.UINT16, bar, at, value);
      case 4 -> pciIo.memRead(PciIo.Width.UINT32, bar, at, value);
      case 8 -> {
        EfiStatus status = pciIo.memRead(PciIo.Width.UINT32, bar, at, value);
        if (status.isError()) {
          yield status;
        }
        long low = value.value;
        status = pciIo.memRead(PciIo.Width.UINT32, bar, at + 4, value);
        value.value = value.value << Integer.SIZE | low;
        yield status;
      }
      default -> EfiStatus.INVALID_PARAMETER;
    };
  }

  /** Writes a register, as {@link #read} reads it. */
  EfiStatus write(long fieldOffset, int fieldSize, long value) {
    if (!holds(fieldOffset, fieldSize)) {
      return EfiStatus.INVALID_PARAMETER;
    }
    long at = offset + fieldOffset;
    return switch (fieldSize) {
      case 1 -> pciIo.memWrite(PciIo.Width.UINT8, bar, at, value & 0xff);
      case 2 -> pciIo.memWrite(PciIo.Width.UINT16, bar, at, value & 0xffff);
      case 4 -> pciIo.memWrite(PciIo.Width.UINT32, bar, at, value & 0xffff_ffffL);
      case 8 -> {
        EfiStatus status = pciIo.memWrite(PciIo.Width.UINT32, bar, at, value & 0xffff_ffffL);
        yield status.isError()
            ? status
            : pciIo.memWrite(PciIo.Width.UINT32, bar, at + 4, value >>> Integer.SIZE);
      }
      default -> EfiStatus.INVALID_PARAMETER;
    };
  }

  /** Whether {@code size} bytes at {@code fieldOffset} lie in the structure. */
  boolean holds(long fieldOffset, int size) {
    return fieldOffset >= 0 && size <= length && fieldOffset <= length - size;
  }
}
