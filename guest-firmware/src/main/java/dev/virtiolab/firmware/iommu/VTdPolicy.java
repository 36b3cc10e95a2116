package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.Tpl;

/**
 * What becomes of translation at ExitBootServices: edk2-platforms' PcdVTdPolicyPropertyMask. A
 * handler of the ExitBootServices group, at CALLBACK, does it; no mapping is taken down.
 *
 * @param keepTranslation bit 1 of the mask. Set: translation stays on, with the tables as they are,
 *     and a device that was not quiesced still reaches what was mapped for it, and nothing else.
 *     Clear: caches are flushed and translation goes off, and such a device reaches everything
 */
public record VTdPolicy(boolean keepTranslation) implements TeardownPolicy {
  /** {@code vtd-keep}. */
  public static final VTdPolicy KEEP = new VTdPolicy(true);

  /** {@code vtd-off}: edk2's default. */
  public static final VTdPolicy OFF = new VTdPolicy(false);

  @Override
  public String name() {
    return keepTranslation ? "vtd-keep" : "vtd-off";
  }

  @Override
  public String title() {
    return keepTranslation ? "translation stays on" : "translation is switched off";
  }

  @Override
  public boolean needsRemapping() {
    return true;
  }

  @Override
  public EfiStatus arm(TeardownSeat seat) {
    if (keepTranslation) {
      return EfiStatus.SUCCESS;
    }
    return seat.bootServices()
        .createEvent(
            EventType.SIGNAL_EXIT_BOOT_SERVICES,
            Tpl.CALLBACK,
            (event, context) -> seat.mappings().stopTranslation(),
            null,
            new Ref<Event>());
  }
}
