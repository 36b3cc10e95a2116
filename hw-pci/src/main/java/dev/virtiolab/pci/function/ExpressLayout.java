package dev.virtiolab.pci.function;

/**
 * The PCI Express capability, version 2.
 *
 * <pre>
 * PCI Express Base 3.0, 7.8 "PCI Express Capability Structure"
 *
 * 00  | PCIe capabilities | next | 10 |
 * 04  Device capabilities
 * 08  | Device status     | Device control  |
 * 0c  Link capabilities
 * 10  | Link status       | Link control    |
 * 14  Slot, 1c Root registers
 * 24  Device capabilities 2
 * 28  | Device status 2   | Device control 2 |
 * 2c  Link, 34 Slot registers 2
 * </pre>
 */
public final class ExpressLayout {
  public static final int CAPABILITY_ID = 0x10;
  public static final int CAPABILITY_BYTES = 0x3c;
  public static final int CAPABILITIES = 0x02;
  public static final int DEVICE_CAPABILITIES = 0x04;
  public static final int DEVICE_CONTROL = 0x08;
  public static final int DEVICE_STATUS = 0x0a;
  public static final int LINK_CAPABILITIES = 0x0c;
  public static final int LINK_CONTROL = 0x10;
  public static final int LINK_STATUS = 0x12;
  public static final int DEVICE_CAPABILITIES_2 = 0x24;
  public static final int DEVICE_CONTROL_2 = 0x28;

  // PCIe capabilities, 7.8.2
  public static final int VERSION_2 = 0x2;
  public static final int TYPE_ENDPOINT = 0x0 << 4;
  public static final int TYPE_ROOT_PORT = 0x4 << 4;

  // Device capabilities, 7.8.3
  public static final int DEVICE_EXTENDED_TAG = 1 << 5;
  public static final int DEVICE_ROLE_BASED_ERRORS = 1 << 15;
  public static final int DEVICE_FUNCTION_LEVEL_RESET = 1 << 28;

  // Device control, 7.8.4
  public static final int CONTROL_ERROR_REPORTING = 0x000f;
  public static final int CONTROL_EXTENDED_TAG = 1 << 8;
  public static final int CONTROL_INITIATE_FLR = 1 << 15;

  // Device status, 7.8.5
  public static final int STATUS_ERRORS = 0x000f;

  // Link capabilities, 7.8.6
  public static final int LINK_SPEED_2_5_GT = 0x1;
  public static final int LINK_WIDTH_X1 = 1 << 4;
  public static final int LINK_ASPM_L0S = 1 << 10;

  // Link control, 7.8.7
  public static final int LINK_COMMON_CLOCK = 1 << 6;
  public static final int LINK_EXTENDED_SYNCH = 1 << 7;

  // Device capabilities 2, 7.8.15
  public static final int DEVICE_EXTENDED_FORMAT = 1 << 20;
  public static final int DEVICE_END_END_PREFIX = 1 << 21;

  // Device control 2, 7.8.16
  public static final int CONTROL_2_END_END_PREFIX_BLOCKING = 1 << 15;

  private ExpressLayout() {}
}
