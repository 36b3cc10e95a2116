package dev.virtiolab.firmware.iommu;

/** One mapping: MAP_INFO in edk2. */
final class MapInfo extends PooledMapping<MapInfo> {
  long numberOfPages;

  /** The client's buffer, private to the guest but for a common buffer that is mapped. */
  long cryptedAddress;

  /** What the device reaches: the bounce buffer, or the client's own. */
  long plainTextAddress;

  /** The reserved slot behind {@link #plainTextAddress}, or {@link ReservedSlots#NONE}. */
  int slot;

  /** For a common buffer operation, else null. */
  CommonBuffer commonBuffer;

  @Override
  protected void forget() {
    commonBuffer = null;
  }
}
