package dev.virtiolab.pci.function;

import static dev.virtiolab.pci.function.PowerManagementLayout.CONTROL_NO_SOFT_RESET;
import static dev.virtiolab.pci.function.PowerManagementLayout.CONTROL_POWER_STATE;
import static dev.virtiolab.pci.function.PowerManagementLayout.CONTROL_STATUS;
import static dev.virtiolab.pci.function.PowerManagementLayout.STATE_D0;
import static dev.virtiolab.pci.function.PowerManagementLayout.STATE_D3_HOT;

import dev.virtiolab.pci.config.AccessKind;
import dev.virtiolab.pci.config.ConfigSpace;
import dev.virtiolab.pci.config.RegisterRule;

/**
 * The power management capability with D0 and D3hot (PCI Bus Power Management 1.2, 3.2).
 *
 * <p>A write of D1 or D2, which the function does not have, is completed and discarded. In D3hot
 * only configuration space answers. Back in D0 the function is as it was, with and without
 * No_Soft_Reset: without it software must not count on that, and QEMU keeps it too.
 */
public final class PowerManagement implements ConfigHook {
  private final PciFunction function;
  private final int controlOffset;
  private volatile PowerState state = PowerState.D0;

  PowerManagement(PciFunction function, int capabilityOffset, boolean noSoftReset) {
    this.function = function;
    this.controlOffset = capabilityOffset + CONTROL_STATUS;
    function.addCapability(
        PowerManagementLayout.CAPABILITY_ID,
        capabilityOffset,
        new byte[PowerManagementLayout.CAPABILITY_BYTES - 2],
        this);
    ConfigSpace config = function.config();
    config.initialize(
        capabilityOffset + PowerManagementLayout.CAPABILITIES,
        2,
        PowerManagementLayout.VERSION_1_2);
    config.initialize(controlOffset, 2, noSoftReset ? CONTROL_NO_SOFT_RESET : 0);
    config.declare(
        new RegisterRule("PMCSR", controlOffset, 2, AccessKind.READ_WRITE, CONTROL_POWER_STATE));
  }

  public PowerState state() {
    return state;
  }

  @Override
  public void afterWrite(int offset, int width) {
    ConfigSpace config = function.config();
    long control = config.load(controlOffset, 2);
    int wanted = (int) control & CONTROL_POWER_STATE;
    if (wanted == STATE_D0) {
      state = PowerState.D0;
    } else if (wanted == STATE_D3_HOT) {
      state = PowerState.D3_HOT;
    } else {
      int kept = state == PowerState.D0 ? STATE_D0 : STATE_D3_HOT;
      config.store(controlOffset, 2, control & ~CONTROL_POWER_STATE | kept);
    }
  }

  /** Under the lock: D0, as the register already says. */
  void reset() {
    state = PowerState.D0;
  }
}
