package dev.virtiolab.firmware.exitboot.driver;

import dev.virtiolab.firmware.exitboot.ExitBootDriver;
import java.util.List;
import java.util.function.Supplier;

/** The drivers that the lab has. */
public final class Drivers {
  private Drivers() {}

  /** Makers of all of them, in the order in which they are shown. */
  public static List<Supplier<ExitBootDriver>> builtIn() {
    return List.of(
        VirtioNetDriver::new,
        StagedReset::resetCallback,
        StagedReset::resetNotify,
        StagedReset::requeueFromCallback,
        StagedReset::requeueFromNotify,
        StagedReset::requeueTwice,
        QuiesceBeforeExit::new,
        UnmapAfterReset::new,
        UnmapBeforeReset::new,
        NoHandler::new,
        Allocates::new,
        NeverMaps::new);
  }
}
