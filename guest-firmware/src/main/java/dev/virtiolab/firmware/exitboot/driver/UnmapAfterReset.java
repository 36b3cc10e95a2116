package dev.virtiolab.firmware.exitboot.driver;

import dev.virtiolab.firmware.exitboot.StagedHandler;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.Tpl;

/**
 * {@code unmap-after-reset}: takes its own mappings down once its device is quiet, as every driver
 * would have to under {@code drivers-unmap}. It does not look whether somebody was there before it.
 */
public final class UnmapAfterReset extends SmallNetDriver {
  /** Not started yet. */
  public UnmapAfterReset() {
    super("unmap-after-reset", "resets and then unmaps, in its handler at CALLBACK");
  }

  @Override
  protected EfiStatus arm(BootServices bootServices, SmallNet net) {
    return new StagedHandler(
            bootServices,
            EventGroups.EXIT_BOOT_SERVICES,
            () -> {
              net.quiesce();
              net.unmapAll();
            },
            Tpl.CALLBACK)
        .arm();
  }
}
