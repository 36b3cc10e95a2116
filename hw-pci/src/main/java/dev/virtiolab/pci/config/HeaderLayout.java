package dev.virtiolab.pci.config;

/**
 * The part of the header that every function has.
 *
 * <pre>
 * PCI Local Bus 3.0, 6.1 "Configuration Space Organization" and 6.2 "Configuration Space Functions"
 *
 *      31            16 15             0
 * 00   | Device ID     | Vendor ID      |
 * 04   | Status        | Command        |
 * 08   | Class Code            | Rev ID |
 * 0c   | BIST  | Header| LatTmr| CLine  |
 * ...
 * 34   | Reserved              | CapPtr |
 * 3c   | by type       | IntPin| IntLine|
 * </pre>
 */
public final class HeaderLayout {
  public static final int VENDOR_ID = 0x00;
  public static final int DEVICE_ID = 0x02;
  public static final int COMMAND = 0x04;
  public static final int STATUS = 0x06;
  public static final int REVISION_ID = 0x08;

  /** Three bytes: programming interface, subclass, base class. */
  public static final int CLASS_CODE = 0x09;

  public static final int CACHE_LINE_SIZE = 0x0c;
  public static final int LATENCY_TIMER = 0x0d;
  public static final int HEADER_TYPE = 0x0e;
  public static final int BIST = 0x0f;
  public static final int BASE_ADDRESS = 0x10;
  public static final int CAPABILITIES_POINTER = 0x34;
  public static final int INTERRUPT_LINE = 0x3c;
  public static final int INTERRUPT_PIN = 0x3d;

  /** First byte after the header; capabilities live from here to 0xff. */
  public static final int HEADER_END = 0x40;

  // Command, 6.2.2 "Device Control"
  public static final int COMMAND_IO = 1 << 0;
  public static final int COMMAND_MEMORY = 1 << 1;
  public static final int COMMAND_BUS_MASTER = 1 << 2;
  public static final int COMMAND_SERR = 1 << 8;
  public static final int COMMAND_INTX_DISABLE = 1 << 10;

  // Status, 6.2.3 "Device Status"
  public static final int STATUS_INTERRUPT = 1 << 3;
  public static final int STATUS_CAPABILITIES = 1 << 4;

  /** The error bits, which software clears by writing 1. */
  public static final int STATUS_ERRORS = 0xf900;

  // Base address registers, 6.2.5.1 "Address Maps"
  public static final int BAR_IO = 0x1;
  public static final int BAR_MEMORY_64 = 0x4;
  public static final int BAR_PREFETCHABLE = 0x8;

  /** The bits of a memory BAR that are no address. */
  public static final int BAR_FLAGS = 0xf;

  /** The bits of an I/O BAR that are no address. */
  public static final int BAR_IO_FLAGS = 0x3;

  private HeaderLayout() {}
}
