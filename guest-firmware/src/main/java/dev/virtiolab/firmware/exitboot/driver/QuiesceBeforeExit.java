package dev.virtiolab.firmware.exitboot.driver;

import dev.virtiolab.firmware.exitboot.StagedHandler;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.Tpl;

/** {@code quiesce-before-exit}: resets its device before ExitBootServices looks at the map key. */
public final class QuiesceBeforeExit extends SmallNetDriver {
  /** Not started yet. */
  public QuiesceBeforeExit() {
    super(
        "quiesce-before-exit",
        "resets in a handler of the BeforeExitBootServices group, at CALLBACK");
  }

  @Override
  protected EfiStatus arm(BootServices bootServices, SmallNet net) {
    return new StagedHandler(
            bootServices, EventGroups.BEFORE_EXIT_BOOT_SERVICES, net::quiesce, Tpl.CALLBACK)
        .arm();
  }
}
