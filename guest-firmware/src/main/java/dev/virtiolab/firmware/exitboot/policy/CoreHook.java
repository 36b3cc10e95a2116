package dev.virtiolab.firmware.exitboot.policy;

import dev.virtiolab.firmware.iommu.TeardownPolicy;
import dev.virtiolab.firmware.iommu.TeardownSeat;
import dev.virtiolab.firmware.uefi.EfiStatus;

/**
 * {@code core-hook}: ExitBootServices itself calls the IOMMU driver when it is about to return
 * success. Every handler has run, however often it was put off; boot services are gone. Proposed on
 * edk2-devel in September 2017, and not adopted.
 */
public final class CoreHook implements TeardownPolicy {
  /** Nothing to set up. */
  public CoreHook() {}

  @Override
  public String name() {
    return "core-hook";
  }

  @Override
  public String title() {
    return "the IOMMU driver, called by ExitBootServices just before it returns success";
  }

  @Override
  public EfiStatus arm(TeardownSeat seat) {
    seat.atReturn(() -> StagedTeardown.takeDown(seat.mappings()));
    return EfiStatus.SUCCESS;
  }
}
