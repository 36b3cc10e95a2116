package dev.virtiolab.pci.function;

/**
 * The power management capability.
 *
 * <pre>
 * PCI Bus Power Management 1.2, 3.2 "PCI Power Management Register Block"
 *
 * 00  | PM capabilities | next | 01 |
 * 04  | data | bridge   | PMCSR     |
 * </pre>
 */
public final class PowerManagementLayout {
  public static final int CAPABILITY_ID = 0x01;
  public static final int CAPABILITY_BYTES = 8;
  public static final int CAPABILITIES = 2;
  public static final int CONTROL_STATUS = 4;

  /** Version of {@link #CAPABILITIES}: revision 1.2 of the specification; no D1, D2, no PME. */
  public static final int VERSION_1_2 = 3;

  public static final int CONTROL_POWER_STATE = 0x3;
  public static final int CONTROL_NO_SOFT_RESET = 1 << 3;

  public static final int STATE_D0 = 0;
  public static final int STATE_D3_HOT = 3;

  private PowerManagementLayout() {}
}
