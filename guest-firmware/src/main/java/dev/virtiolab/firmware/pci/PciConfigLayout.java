package dev.virtiolab.firmware.pci;

/**
 * Offsets in configuration space.
 *
 * <p>PCI Local Bus Specification 3.0, 6.1 "Configuration Space Organization" (type 0) and
 * PCI-to-PCI Bridge Architecture Specification 1.2, 3.2 "PCI-to-PCI Bridge PCI Configuration Space
 * Header Format" (type 1):
 *
 * <pre>
 *         31            16 15             0        type 1 from 10h on
 *   00h  |   Device ID    |   Vendor ID    |   10h |        Base Address 0         |
 *   04h  |    Status      |    Command     |   14h |        Base Address 1         |
 *   08h  |    Class code          | Rev ID |   18h | Lat. | Subord. | Sec. | Prim. |
 *   0Ch  | BIST | Header | Latency | Cache  |   1Ch | Sec. Status  | I/O Lim.| Base |
 *   10h  |        Base Address 0           |   20h | Memory Limit | Memory Base    |
 *    :   |           . . .                 |   24h | Pref. Limit  | Pref. Base     |
 *   24h  |        Base Address 5           |   28h |   Prefetchable Base Upper     |
 *   30h  |    Expansion ROM Base           |   2Ch |   Prefetchable Limit Upper    |
 *   34h  |   reserved              | CapPtr|   38h |   Expansion ROM Base          |
 * </pre>
 */
final class PciConfigLayout {
  static final int VENDOR_ID = 0x00;
  static final int DEVICE_ID = 0x02;
  static final int COMMAND = 0x04;
  static final int STATUS = 0x06;
  static final int HEADER_TYPE = 0x0e;
  static final int BASE_ADDRESS_0 = 0x10;
  static final int EXPANSION_ROM = 0x30;
  static final int CAPABILITIES_POINTER = 0x34;

  static final int BRIDGE_BUS_NUMBERS = 0x18;
  static final int BRIDGE_SUBORDINATE_BUS = 0x1a;
  static final int BRIDGE_IO_WINDOW = 0x1c;
  static final int BRIDGE_MEMORY_WINDOW = 0x20;
  static final int BRIDGE_PREFETCHABLE_WINDOW = 0x24;
  static final int BRIDGE_PREFETCHABLE_BASE_UPPER = 0x28;
  static final int BRIDGE_PREFETCHABLE_LIMIT_UPPER = 0x2c;
  static final int BRIDGE_EXPANSION_ROM = 0x38;

  static final int COMMAND_IO = 0x0001;
  static final int COMMAND_MEMORY = 0x0002;
  static final int COMMAND_BUS_MASTER = 0x0004;

  static final int STATUS_CAPABILITIES = 0x0010;

  static final int HEADER_TYPE_DEVICE = 0x00;
  static final int HEADER_TYPE_BRIDGE = 0x01;
  static final int HEADER_TYPE_MASK = 0x7f;
  static final int HEADER_TYPE_MULTI_FUNCTION = 0x80;

  static final int BAR_IO = 0x1;
  static final int BAR_TYPE_MASK = 0x6;
  static final int BAR_TYPE_32 = 0x0;
  static final int BAR_TYPE_64 = 0x4;
  static final int BAR_PREFETCHABLE = 0x8;
  static final int BAR_IO_ADDRESS_MASK = ~0x3;
  static final int BAR_MEMORY_ADDRESS_MASK = ~0xf;

  static final int CAPABILITY_PCI_EXPRESS = 0x10;

  static final int CONFIG_BYTES = 0x100;
  static final int EXTENDED_CONFIG_BYTES = 0x1000;

  private PciConfigLayout() {}
}
