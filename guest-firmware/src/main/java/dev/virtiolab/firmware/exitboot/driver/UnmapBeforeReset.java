package dev.virtiolab.firmware.exitboot.driver;

import dev.virtiolab.firmware.exitboot.StagedHandler;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.Tpl;

/**
 * {@code unmap-before-reset}: takes its own mappings down while its device still uses them, and
 * resets it then.
 */
public final class UnmapBeforeReset extends SmallNetDriver {
  /** Not started yet. */
  public UnmapBeforeReset() {
    super("unmap-before-reset", "unmaps and then resets, in its handler at CALLBACK");
  }

  @Override
  protected EfiStatus arm(BootServices bootServices, SmallNet net) {
    return new StagedHandler(
            bootServices,
            EventGroups.EXIT_BOOT_SERVICES,
            () -> {
              net.unmapAll();
              net.quiesce();
            },
            Tpl.CALLBACK)
        .arm();
  }
}
