package dev.virtiolab.firmware.exitboot.driver;

import dev.virtiolab.firmware.exitboot.StagedHandler;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.Tpl;

/**
 * Resets its device in a handler of the ExitBootServices group, as UEFI wants of a driver, or in
 * one that it signals from there: a driver that needs the others to be done first, say, and plays
 * the IOMMU driver's own trick.
 */
public final class StagedReset extends SmallNetDriver {
  private final int[] levels;

  /**
   * @param levels of the stages; the last one resets
   */
  public StagedReset(String name, String title, int... levels) {
    super(name, title);
    this.levels = levels.clone();
  }

  /** {@code reset-callback}. */
  public static StagedReset resetCallback() {
    return new StagedReset("reset-callback", "resets in its handler at CALLBACK", Tpl.CALLBACK);
  }

  /** {@code reset-notify}. */
  public static StagedReset resetNotify() {
    return new StagedReset("reset-notify", "resets in its handler at NOTIFY", Tpl.NOTIFY);
  }

  /** {@code requeue-from-callback}. */
  public static StagedReset requeueFromCallback() {
    return new StagedReset(
        "requeue-from-callback",
        "resets at CALLBACK, from an event that its handler at CALLBACK signals",
        Tpl.CALLBACK,
        Tpl.CALLBACK);
  }

  /** {@code requeue-from-notify}. */
  public static StagedReset requeueFromNotify() {
    return new StagedReset(
        "requeue-from-notify",
        "resets at CALLBACK, from an event that its handler at NOTIFY signals",
        Tpl.NOTIFY,
        Tpl.CALLBACK);
  }

  /** {@code requeue-twice}. */
  public static StagedReset requeueTwice() {
    return new StagedReset(
        "requeue-twice",
        "resets at CALLBACK, from the last of a chain of three events",
        Tpl.CALLBACK,
        Tpl.CALLBACK,
        Tpl.CALLBACK);
  }

  @Override
  protected EfiStatus arm(BootServices bootServices, SmallNet net) {
    return new StagedHandler(bootServices, EventGroups.EXIT_BOOT_SERVICES, net::quiesce, levels)
        .arm();
  }
}
