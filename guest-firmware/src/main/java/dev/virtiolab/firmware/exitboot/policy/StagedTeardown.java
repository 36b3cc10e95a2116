package dev.virtiolab.firmware.exitboot.policy;

import dev.virtiolab.firmware.exitboot.StagedHandler;
import dev.virtiolab.firmware.iommu.MappingTeardown;
import dev.virtiolab.firmware.iommu.TeardownPolicy;
import dev.virtiolab.firmware.iommu.TeardownSeat;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.Tpl;

/**
 * The IOMMU driver takes everything down in a handler of the ExitBootServices group, or in one that
 * it signals from there.
 *
 * <p>What edk2 adopted in 2017 (OvmfPkg/IoMmuDxe/CcIoMmu.c, commit 7aee391fa3) has two stages, both
 * at CALLBACK. When the first runs, every member of the group has been queued, so the second is
 * queued behind them all, and drivers have quiesced their devices before their mappings go.
 *
 * <pre>
 *   ExitBootServices --signals group--> [driver A] [first] [driver B]
 *                                                     |
 *                                                     +--signals--> [second: unmap all, release]
 * </pre>
 *
 * <p>A driver that plays the same trick may still run after it.
 */
public final class StagedTeardown implements TeardownPolicy {
  private final String name;
  private final String title;
  private final int[] levels;

  /**
   * @param levels of the stages; the last one takes down
   */
  public StagedTeardown(String name, String title, int... levels) {
    this.name = name;
    this.title = title;
    this.levels = levels.clone();
  }

  /** {@code iommu-callback}. */
  public static StagedTeardown iommuCallback() {
    return new StagedTeardown(
        "iommu-callback", "the IOMMU driver, in its handler at CALLBACK", Tpl.CALLBACK);
  }

  /** {@code iommu-notify}. */
  public static StagedTeardown iommuNotify() {
    return new StagedTeardown(
        "iommu-notify", "the IOMMU driver, in its handler at NOTIFY", Tpl.NOTIFY);
  }

  /** {@code requeue-callback}: what edk2 does. */
  public static StagedTeardown requeueCallback() {
    return new StagedTeardown(
        "requeue-callback",
        "the IOMMU driver, at CALLBACK, from an event that its handler at CALLBACK signals",
        Tpl.CALLBACK,
        Tpl.CALLBACK);
  }

  /** {@code requeue-from-notify}. */
  public static StagedTeardown requeueFromNotify() {
    return new StagedTeardown(
        "requeue-from-notify",
        "the IOMMU driver, at CALLBACK, from an event that its handler at NOTIFY signals",
        Tpl.NOTIFY,
        Tpl.CALLBACK);
  }

  /** {@code requeue-to-notify}. */
  public static StagedTeardown requeueToNotify() {
    return new StagedTeardown(
        "requeue-to-notify",
        "the IOMMU driver, at NOTIFY, from an event that its handler at CALLBACK signals",
        Tpl.CALLBACK,
        Tpl.NOTIFY);
  }

  /** {@code requeue-twice}. */
  public static StagedTeardown requeueTwice() {
    return new StagedTeardown(
        "requeue-twice",
        "the IOMMU driver, at CALLBACK, from the last of a chain of three events",
        Tpl.CALLBACK,
        Tpl.CALLBACK,
        Tpl.CALLBACK);
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public String title() {
    return title;
  }

  @Override
  public EfiStatus arm(TeardownSeat seat) {
    return new StagedHandler(
            seat.bootServices(),
            EventGroups.EXIT_BOOT_SERVICES,
            () -> takeDown(seat.mappings()),
            levels)
        .arm();
  }

  /** All that there is, in the order that edk2 takes it. */
  static void takeDown(MappingTeardown mappings) {
    mappings.unmapAll();
    mappings.releaseSlots();
  }
}
