package dev.virtiolab.firmware.exitboot.policy;

import dev.virtiolab.firmware.iommu.TeardownPolicy;
import dev.virtiolab.firmware.iommu.TeardownSeat;
import dev.virtiolab.firmware.uefi.EfiStatus;

/**
 * {@code vtd-keep}: translation stays on, with the tables as they are. A device that was not
 * quiesced still reaches what was mapped for it, and nothing else; no mapping is taken down. Bit 1
 * of edk2-platforms' PcdVTdPolicyPropertyMask, set.
 */
public final class VtdKeep implements TeardownPolicy {
  /** Nothing to set up. */
  public VtdKeep() {}

  @Override
  public String name() {
    return "vtd-keep";
  }

  @Override
  public String title() {
    return "nobody; VT-d translation stays on, with the tables as they are";
  }

  @Override
  public boolean needsRemapping() {
    return true;
  }

  @Override
  public EfiStatus arm(TeardownSeat seat) {
    return EfiStatus.SUCCESS;
  }
}
