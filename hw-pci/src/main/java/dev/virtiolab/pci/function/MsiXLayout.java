package dev.virtiolab.pci.function;

/**
 * The MSI-X capability and the structures it points to.
 *
 * <pre>
 * PCI Local Bus 3.0, 6.8.2 "MSI-X Capability and Table Structures"
 *
 * capability                                    table entry
 * 00  | Message Control | next | 11 |           00  Message Address
 * 04  | Table Offset        | BIR   |           04  Message Upper Address
 * 08  | PBA Offset          | BIR   |           08  Message Data
 *                                               0c  Vector Control
 * </pre>
 */
public final class MsiXLayout {
  public static final int CAPABILITY_ID = 0x11;
  public static final int CAPABILITY_BYTES = 12;
  public static final int MESSAGE_CONTROL = 2;
  public static final int TABLE = 4;
  public static final int PENDING = 8;

  // Message Control
  public static final int CONTROL_TABLE_SIZE = 0x07ff;
  public static final int CONTROL_FUNCTION_MASK = 1 << 14;
  public static final int CONTROL_ENABLE = 1 << 15;

  // Table entry
  public static final int ENTRY_BYTES = 16;
  public static final int ENTRY_ADDRESS = 0;
  public static final int ENTRY_UPPER_ADDRESS = 4;
  public static final int ENTRY_DATA = 8;
  public static final int ENTRY_VECTOR_CONTROL = 12;
  public static final int VECTOR_CONTROL_MASK = 1;

  private MsiXLayout() {}
}
