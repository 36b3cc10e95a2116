package dev.virtiolab.firmware.exitboot.policy;

import dev.virtiolab.firmware.exitboot.StagedHandler;
import dev.virtiolab.firmware.iommu.TeardownPolicy;
import dev.virtiolab.firmware.iommu.TeardownSeat;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.Tpl;

/**
 * {@code vtd-off}: a handler at CALLBACK has the unit forget what it has cached, and switches
 * translation off. A device that was not quiesced reaches everything from then on; no mapping is
 * taken down. What edk2-platforms does unless told otherwise (PcdVTdPolicyPropertyMask).
 */
public final class VtdOff implements TeardownPolicy {
  /** Nothing to set up. */
  public VtdOff() {}

  @Override
  public String name() {
    return "vtd-off";
  }

  @Override
  public String title() {
    return "nobody; a handler at CALLBACK flushes VT-d and switches its translation off";
  }

  @Override
  public boolean needsRemapping() {
    return true;
  }

  @Override
  public EfiStatus arm(TeardownSeat seat) {
    return new StagedHandler(
            seat.bootServices(),
            EventGroups.EXIT_BOOT_SERVICES,
            () -> seat.mappings().stopTranslation(),
            Tpl.CALLBACK)
        .arm();
  }
}
