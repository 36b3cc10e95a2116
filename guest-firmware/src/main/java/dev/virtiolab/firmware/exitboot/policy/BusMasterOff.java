package dev.virtiolab.firmware.exitboot.policy;

import dev.virtiolab.firmware.exitboot.StagedHandler;
import dev.virtiolab.firmware.iommu.TeardownPolicy;
import dev.virtiolab.firmware.iommu.TeardownSeat;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.Tpl;

/**
 * {@code bus-master-off}: the PCI bus driver switches bus mastering off in a handler at NOTIFY, and
 * the IOMMU driver takes everything down as in {@code requeue-callback}. No driver is asked; a
 * device whose queues were not stopped goes on when the operating system lets it on the bus again.
 */
public final class BusMasterOff implements TeardownPolicy {
  /** Nothing to set up. */
  public BusMasterOff() {}

  @Override
  public String name() {
    return "bus-master-off";
  }

  @Override
  public String title() {
    return "the PCI bus driver clears every bus master enable at NOTIFY, then as requeue-callback";
  }

  @Override
  public EfiStatus arm(TeardownSeat seat) {
    StagedHandler busDriver =
        new StagedHandler(
            seat.bootServices(),
            EventGroups.EXIT_BOOT_SERVICES,
            seat::disableBusMasters,
            Tpl.NOTIFY);
    EfiStatus status = busDriver.arm();
    if (status.isError()) {
      return status;
    }
    status = StagedTeardown.requeueCallback().arm(seat);
    if (status.isError()) {
      busDriver.disarm();
    }
    return status;
  }
}
