package dev.virtiolab.firmware.virtio;

/** Registers of a virtio device on PCI: virtio v1.4, 4.1 "Virtio Over PCI Bus". Little-endian. */
public final class VirtioPciLayout {
  // PCI Local Bus Specification 3.0, 6.1 "Configuration Space Organization"
  public static final int PCI_VENDOR_ID = 0x00;
  public static final int PCI_DEVICE_ID = 0x02;
  public static final int PCI_STATUS = 0x06;
  public static final int PCI_REVISION_ID = 0x08;
  public static final int PCI_BAR0 = 0x10;
  public static final int PCI_SUBSYSTEM_ID = 0x2e;
  public static final int PCI_CAPABILITY_POINTER = 0x34;
  public static final int PCI_FIRST_CAPABILITY = 0x40;
  public static final int PCI_CONFIG_SIZE = 0x100;

  public static final int PCI_STATUS_CAPABILITY_LIST = 0x10;
  public static final int PCI_BAR_IO_SPACE = 1;
  public static final int PCI_BARS = 6;

  // 4.1.2 "PCI Device Discovery"
  public static final int VENDOR_ID = 0x1af4;
  public static final int DEVICE_ID_FIRST = 0x1040;
  public static final int DEVICE_ID_LAST = 0x107f;
  public static final int SUBSYSTEM_ID_FIRST = 0x40;

  // 4.1.2.3 "Legacy Interfaces: A Note on PCI Device Discovery"
  public static final int LEGACY_DEVICE_ID_FIRST = 0x1000;
  public static final int LEGACY_DEVICE_ID_LAST = 0x103f;

  // 4.1.4.10 "Legacy Interfaces: A Note on PCI Device Layout": ports in BAR 0
  public static final int LEGACY_BAR = 0;
  public static final int LEGACY_DEVICE_FEATURES = 0x00;
  public static final int LEGACY_DRIVER_FEATURES = 0x04;
  public static final int LEGACY_QUEUE_ADDRESS = 0x08;
  public static final int LEGACY_QUEUE_SIZE = 0x0c;
  public static final int LEGACY_QUEUE_SELECT = 0x0e;
  public static final int LEGACY_QUEUE_NOTIFY = 0x10;
  public static final int LEGACY_DEVICE_STATUS = 0x12;

  /** Without MSI-X, which this firmware does not use. */
  public static final int LEGACY_CONFIG = 0x14;

  // struct virtio_pci_cap: 4.1.4 "Virtio Structure PCI Capabilities"
  public static final int CAP_VNDR = 0;
  public static final int CAP_NEXT = 1;
  public static final int CAP_LEN = 2;
  public static final int CAP_CFG_TYPE = 3;
  public static final int CAP_BAR = 4;
  public static final int CAP_OFFSET = 8;
  public static final int CAP_LENGTH = 12;
  public static final int CAP_SIZE = 16;

  // struct virtio_pci_notify_cap: 4.1.4.4 "Notification structure layout"
  public static final int CAP_NOTIFY_OFF_MULTIPLIER = 16;
  public static final int NOTIFY_CAP_SIZE = 20;

  public static final int CAP_ID_VENDOR = 0x09;
  public static final int CFG_TYPE_COMMON = 1;
  public static final int CFG_TYPE_NOTIFY = 2;
  public static final int CFG_TYPE_DEVICE = 4;

  // struct virtio_pci_common_cfg: 4.1.4.3 "Common configuration structure layout"
  public static final int COMMON_DEVICE_FEATURE_SELECT = 0x00;
  public static final int COMMON_DEVICE_FEATURE = 0x04;
  public static final int COMMON_DRIVER_FEATURE_SELECT = 0x08;
  public static final int COMMON_DRIVER_FEATURE = 0x0c;
  public static final int COMMON_NUM_QUEUES = 0x12;
  public static final int COMMON_DEVICE_STATUS = 0x14;
  public static final int COMMON_CONFIG_GENERATION = 0x15;
  public static final int COMMON_QUEUE_SELECT = 0x16;
  public static final int COMMON_QUEUE_SIZE = 0x18;
  public static final int COMMON_QUEUE_ENABLE = 0x1c;
  public static final int COMMON_QUEUE_NOTIFY_OFF = 0x1e;
  public static final int COMMON_QUEUE_DESC = 0x20;
  public static final int COMMON_QUEUE_DRIVER = 0x28;
  public static final int COMMON_QUEUE_DEVICE = 0x30;

  /** Up to and with queue_device: what every device of revision 1 has. */
  public static final int COMMON_SIZE = 0x38;

  // 4.1.4.4 "Notification structure layout": a notification is one 16-bit write
  public static final int NOTIFY_SIZE = 2;

  private VirtioPciLayout() {}
}
