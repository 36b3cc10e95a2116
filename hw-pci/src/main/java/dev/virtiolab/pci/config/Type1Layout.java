package dev.virtiolab.pci.config;

/**
 * The rest of the header of a PCI-to-PCI bridge, which a root port is to software.
 *
 * <pre>
 * PCI-to-PCI Bridge Architecture 1.2, 3.2 "Type 1 Configuration Space Header"
 *
 *      31                            16 15                            0
 * 10   two base address registers
 * 18   | SecLatTmr | Subordinate bus | Secondary bus | Primary bus   |
 * 1c   | Secondary status            | I/O limit     | I/O base      |
 * 20   | Memory limit                | Memory base                   |
 * 24   | Prefetchable memory limit   | Prefetchable memory base      |
 * 28   | Prefetchable base, upper 32 bits                            |
 * 2c   | Prefetchable limit, upper 32 bits                           |
 * 30   | I/O limit, upper 16 bits    | I/O base, upper 16 bits       |
 * 38   expansion ROM base address
 * 3c   | Bridge control              | IntPin        | IntLine       |
 * </pre>
 */
public final class Type1Layout {
  public static final int PRIMARY_BUS = 0x18;
  public static final int SECONDARY_BUS = 0x19;
  public static final int SUBORDINATE_BUS = 0x1a;
  public static final int SECONDARY_STATUS = 0x1e;
  public static final int MEMORY_BASE = 0x20;
  public static final int MEMORY_LIMIT = 0x22;
  public static final int PREFETCHABLE_BASE = 0x24;
  public static final int PREFETCHABLE_LIMIT = 0x26;
  public static final int PREFETCHABLE_BASE_UPPER = 0x28;
  public static final int PREFETCHABLE_LIMIT_UPPER = 0x2c;
  public static final int BRIDGE_CONTROL = 0x3e;

  /** Number of base address registers. */
  public static final int BARS = 2;

  /** Low bits of the prefetchable registers: the window takes 64-bit addresses. */
  public static final int PREFETCHABLE_64 = 0x1;

  // Bridge control, 3.2.5.18 "Bridge Control Register"
  public static final int BRIDGE_CONTROL_SECONDARY_BUS_RESET = 1 << 6;

  private Type1Layout() {}
}
