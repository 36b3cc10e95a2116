package dev.virtiolab.firmware.exitboot.driver;

import dev.virtiolab.firmware.exitboot.DriverSeat;
import dev.virtiolab.firmware.exitboot.StagedHandler;
import dev.virtiolab.firmware.mistake.Mistake;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.Tpl;

/**
 * {@code never-maps}: gives its device host addresses and maps nothing, which works on a PC. At
 * ExitBootServices it does as it should.
 */
public final class NeverMaps extends SmallNetDriver {
  /** Not started yet. */
  public NeverMaps() {
    super("never-maps", "has mapped nothing; resets in its handler at CALLBACK");
  }

  @Override
  protected SmallNet create(DriverSeat seat) {
    return Mistake.NO_MAP.driver().create(seat.bootServices(), seat.memory(), seat.device());
  }

  @Override
  protected EfiStatus arm(BootServices bootServices, SmallNet net) {
    return new StagedHandler(
            bootServices, EventGroups.EXIT_BOOT_SERVICES, net::quiesce, Tpl.CALLBACK)
        .arm();
  }
}
