package dev.virtiolab.virtio.transport;

/**
 * The legacy configuration structure, in the first I/O region (virtio v1.4, 4.1.4.10 "Legacy
 * Interfaces: A Note on PCI Device Layout"). Little-endian.
 *
 * <pre>
 *       +0                 +4                +8              +c           +e
 * 00 | device features   | driver features | queue address | queue_size | queue_select |
 *       +10            +12             +13
 * 10 | queue notify  | device status | ISR status |
 * 14 | config_msix_vector, queue_msix_vector, while MSI-X is enabled |
 * 14 or 18 | device-specific configuration |
 * </pre>
 */
final class LegacyLayout {
  static final int DEVICE_FEATURES = 0x00;
  static final int DRIVER_FEATURES = 0x04;

  /** The page at which the queue's contiguous areas begin. */
  static final int QUEUE_ADDRESS = 0x08;

  static final int QUEUE_SIZE = 0x0c;
  static final int QUEUE_SELECT = 0x0e;
  static final int QUEUE_NOTIFY = 0x10;
  static final int DEVICE_STATUS = 0x12;
  static final int ISR_STATUS = 0x13;

  /** Exists while MSI-X is enabled. */
  static final int CONFIG_MSIX_VECTOR = 0x14;

  /** Exists while MSI-X is enabled. */
  static final int QUEUE_MSIX_VECTOR = 0x16;

  /** "Once you enable MSI-X on the device, the other fields move." */
  static final int CONFIG_WITHOUT_MSIX = 0x14;

  static final int CONFIG_WITH_MSIX = 0x18;

  /** The queue address counts pages, and the used ring begins on one (4.1.5.1.3.1). */
  static final int PAGE_SHIFT = 12;

  private LegacyLayout() {}
}
