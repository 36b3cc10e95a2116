package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;

/** One mapping: MAP_INFO in edk2. Open while it is in its {@link MapInfoList}. */
final class MapInfo implements DmaMapping {
  final MapInfoList owner;
  MapInfo previous;
  MapInfo next;
  boolean open;

  DmaOperation operation;
  long numberOfBytes;
  long numberOfPages;

  /** The client's buffer, private to the guest but for a common buffer that is mapped. */
  long cryptedAddress;

  /** What the device reaches: the bounce buffer, or the client's own. */
  long plainTextAddress;

  /** The reserved slot behind {@link #plainTextAddress}, or {@link ReservedSlots#NONE}. */
  int slot;

  /** For a common buffer operation, else null. */
  CommonBuffer commonBuffer;

  MapInfo(MapInfoList owner) {
    this.owner = owner;
  }
}
