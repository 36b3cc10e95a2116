package dev.virtiolab.firmware.exitboot.policy;

import dev.virtiolab.firmware.exitboot.StagedHandler;
import dev.virtiolab.firmware.iommu.TeardownPolicy;
import dev.virtiolab.firmware.iommu.TeardownSeat;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.Tpl;

/**
 * {@code before-exit}: the IOMMU driver takes everything down in a handler of the
 * BeforeExitBootServices group, at CALLBACK: before the map key is looked at, and before any driver
 * that waits for ExitBootServices. It frees nothing there either. The group is of UEFI 2.9.
 */
public final class BeforeExit implements TeardownPolicy {
  /** Nothing to set up. */
  public BeforeExit() {}

  @Override
  public String name() {
    return "before-exit";
  }

  @Override
  public String title() {
    return "the IOMMU driver, in a handler of the BeforeExitBootServices group, at CALLBACK";
  }

  @Override
  public EfiStatus arm(TeardownSeat seat) {
    return new StagedHandler(
            seat.bootServices(),
            EventGroups.BEFORE_EXIT_BOOT_SERVICES,
            () -> StagedTeardown.takeDown(seat.mappings()),
            Tpl.CALLBACK)
        .arm();
  }
}
