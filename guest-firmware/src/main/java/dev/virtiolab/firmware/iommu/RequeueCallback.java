package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.Tpl;

/**
 * What edk2 adopted in 2017 (OvmfPkg/IoMmuDxe/CcIoMmu.c): a handler of the ExitBootServices group,
 * at CALLBACK, signals a second event, also at CALLBACK. When the first handler runs, every member
 * of the group has been queued, so the second event is queued behind them all, and drivers have
 * quiesced their devices before their mappings go.
 *
 * <pre>
 *   ExitBootServices --signals group--> [driver A] [first] [driver B]
 *                                                     |
 *                                                     +--signals--> [second: unmap all, release]
 * </pre>
 *
 * <p>A driver that plays the same trick may still run after it.
 */
public final class RequeueCallback implements TeardownPolicy {

  /** One policy serves one driver. */
  public RequeueCallback() {}

  @Override
  public String name() {
    return "requeue-callback";
  }

  @Override
  public String title() {
    return "the IOMMU driver, from a second CALLBACK event that its CALLBACK handler signals";
  }

  @Override
  public EfiStatus arm(TeardownSeat seat) {
    BootServices bootServices = seat.bootServices();
    MappingTeardown teardown = seat.mappings();
    Ref<Event> second = new Ref<>();
    EfiStatus status =
        bootServices.createEvent(
            EventType.NOTIFY_SIGNAL,
            Tpl.CALLBACK,
            (event, context) -> {
              teardown.unmapAll();
              teardown.releaseSlots();
            },
            null,
            second);
    if (status.isError()) {
      return status;
    }
    Ref<Event> first = new Ref<>();
    status =
        bootServices.createEvent(
            EventType.SIGNAL_EXIT_BOOT_SERVICES,
            Tpl.CALLBACK,
            (event, context) -> bootServices.signalEvent((Event) context),
            second.value,
            first);
    if (status.isError()) {
      bootServices.closeEvent(second.value);
    }
    return status;
  }
}
