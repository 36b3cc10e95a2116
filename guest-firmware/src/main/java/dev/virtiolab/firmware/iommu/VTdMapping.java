package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.uefi.EfiStatus;

/** One mapping of {@link VTdDxe}: MAP_INFO in edk2-platforms. */
final class VTdMapping extends PooledMapping<VTdMapping> {
  long hostAddress;

  /** The bounce buffer, or {@link BouncePool#NONE} where the client's own is used. */
  long bounce;

  /** What the device reaches: whole pages. */
  long firstPage;

  long pages;

  /** Who may reach it, or null for nobody. */
  VTdDevice device;

  /** Whether a device could ever reach it. */
  boolean wasGranted;

  /**
   * What came of taking it from the device; an error: the unit may still let the device reach it.
   */
  EfiStatus revoked;

  /** The buffer that a common buffer operation is on, if it is one of AllocateBuffer; else null. */
  DmaBuffer buffer;

  @Override
  protected void forget() {
    device = null;
    buffer = null;
  }
}
