package dev.virtiolab.firmware.exitboot.driver;

import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;

/** {@code no-handler}: does not notice ExitBootServices, and its device goes on. */
public final class NoHandler extends SmallNetDriver {
  /** Not started yet. */
  public NoHandler() {
    super("no-handler", "does nothing");
  }

  @Override
  protected EfiStatus arm(BootServices bootServices, SmallNet net) {
    return EfiStatus.SUCCESS;
  }
}
