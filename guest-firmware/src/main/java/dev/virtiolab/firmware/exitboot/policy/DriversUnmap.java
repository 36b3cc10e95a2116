package dev.virtiolab.firmware.exitboot.policy;

import dev.virtiolab.firmware.iommu.TeardownPolicy;
import dev.virtiolab.firmware.iommu.TeardownSeat;
import dev.virtiolab.firmware.uefi.EfiStatus;

/**
 * {@code drivers-unmap}: the IOMMU driver does nothing, and each driver is to unmap what it mapped
 * in its own handler. Unmap frees nothing then, so that the memory map stays as it was accepted.
 */
public final class DriversUnmap implements TeardownPolicy {
  /** Nothing to set up. */
  public DriversUnmap() {}

  @Override
  public String name() {
    return "drivers-unmap";
  }

  @Override
  public String title() {
    return "each driver, for itself; the IOMMU driver has no handler";
  }

  @Override
  public EfiStatus arm(TeardownSeat seat) {
    return EfiStatus.SUCCESS;
  }
}
