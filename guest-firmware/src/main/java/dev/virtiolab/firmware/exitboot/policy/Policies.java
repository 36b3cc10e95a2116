package dev.virtiolab.firmware.exitboot.policy;

import dev.virtiolab.firmware.iommu.TeardownPolicy;
import java.util.List;
import java.util.function.Supplier;

/** The policies that the lab has. */
public final class Policies {
  private Policies() {}

  /** Makers of all of them, in the order in which they are shown. */
  public static List<Supplier<TeardownPolicy>> builtIn() {
    return List.of(
        DriversUnmap::new,
        StagedTeardown::iommuCallback,
        StagedTeardown::iommuNotify,
        StagedTeardown::requeueCallback,
        StagedTeardown::requeueFromNotify,
        StagedTeardown::requeueToNotify,
        StagedTeardown::requeueTwice,
        CoreHook::new,
        VtdKeep::new,
        VtdOff::new,
        BusMasterOff::new,
        BeforeExit::new);
  }
}
