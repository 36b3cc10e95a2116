package dev.virtiolab.virtio.transport;

/**
 * struct virtio_pci_cap and the two that extend it (virtio v1.4, 4.1.4 "Virtio Structure PCI
 * Capabilities", 4.1.4.4 "Notification structure layout", 4.1.4.9 "PCI configuration access
 * capability"). All fields little-endian.
 *
 * <pre>
 *      +0          +1         +2        +3
 * 00 | cap_vndr  | cap_next | cap_len | cfg_type |
 * 04 | bar       | id       | padding            |
 * 08 | offset                                    |
 * 0c | length                                    |
 * 10 | notify_off_multiplier or pci_cfg_data     |
 * </pre>
 */
final class VirtioPciCapLayout {
  static final int CAP_VNDR = 0x00;
  static final int CAP_NEXT = 0x01;
  static final int CAP_LEN = 0x02;
  static final int CFG_TYPE = 0x03;
  static final int BAR = 0x04;
  static final int ID = 0x05;
  static final int PADDING = 0x06;
  static final int OFFSET = 0x08;
  static final int LENGTH = 0x0c;
  static final int NOTIFY_OFF_MULTIPLIER = 0x10;
  static final int PCI_CFG_DATA = 0x10;

  /** Bytes of struct virtio_pci_cap. */
  static final int BYTES = 0x10;

  /** Bytes of the two that have a field more. */
  static final int EXTENDED_BYTES = 0x14;

  /** Capability ID of all of them (PCI Local Bus 3.0, appendix H "Capability IDs"). */
  static final int VENDOR_SPECIFIC = 0x09;

  // cfg_type
  static final int VIRTIO_PCI_CAP_COMMON_CFG = 1;
  static final int VIRTIO_PCI_CAP_NOTIFY_CFG = 2;
  static final int VIRTIO_PCI_CAP_ISR_CFG = 3;
  static final int VIRTIO_PCI_CAP_DEVICE_CFG = 4;
  static final int VIRTIO_PCI_CAP_PCI_CFG = 5;

  private VirtioPciCapLayout() {}
}
