package dev.virtiolab.pci.config;

/**
 * The rest of the header of a function that is not a bridge.
 *
 * <pre>
 * PCI Local Bus 3.0, 6.1 "Configuration Space Organization", Figure 6-1 "Type 00h Configuration Space Header"
 *
 * 10-27  six base address registers
 * 28     Cardbus CIS pointer
 * 2c     | Subsystem ID  | Subsystem Vendor ID |
 * 30     expansion ROM base address
 * 3e     | Max_Lat | Min_Gnt |
 * </pre>
 */
public final class Type0Layout {
  public static final int SUBSYSTEM_VENDOR_ID = 0x2c;
  public static final int SUBSYSTEM_ID = 0x2e;
  public static final int EXPANSION_ROM = 0x30;
  public static final int MIN_GRANT = 0x3e;
  public static final int MAX_LATENCY = 0x3f;

  /** Number of base address registers. */
  public static final int BARS = 6;

  private Type0Layout() {}
}
