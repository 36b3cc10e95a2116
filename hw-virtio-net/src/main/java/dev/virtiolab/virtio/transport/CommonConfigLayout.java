package dev.virtiolab.virtio.transport;

/**
 * struct virtio_pci_common_cfg (virtio v1.4, 4.1.4.3 "Common configuration structure layout").
 *
 * <pre>
 *       +0                +4                +8                +c
 * 00 | device_feature_select | device_feature | driver_feature_select | driver_feature |
 * 10 | config_msix_vector, num_queues | device_status, config_generation, queue_select
 *    | queue_size, queue_msix_vector | queue_enable, queue_notify_off |
 * 20 | queue_desc                        | queue_driver                       |
 * 30 | queue_device                      | queue_notif_config_data, queue_reset |
 * </pre>
 */
final class CommonConfigLayout {
  static final int DEVICE_FEATURE_SELECT = 0x00;
  static final int DEVICE_FEATURE = 0x04;
  static final int DRIVER_FEATURE_SELECT = 0x08;
  static final int DRIVER_FEATURE = 0x0c;
  static final int CONFIG_MSIX_VECTOR = 0x10;
  static final int NUM_QUEUES = 0x12;
  static final int DEVICE_STATUS = 0x14;
  static final int CONFIG_GENERATION = 0x15;
  static final int QUEUE_SELECT = 0x16;
  static final int QUEUE_SIZE = 0x18;
  static final int QUEUE_MSIX_VECTOR = 0x1a;
  static final int QUEUE_ENABLE = 0x1c;
  static final int QUEUE_NOTIFY_OFF = 0x1e;
  static final int QUEUE_DESC_LOW = 0x20;
  static final int QUEUE_DESC_HIGH = 0x24;
  static final int QUEUE_DRIVER_LOW = 0x28;
  static final int QUEUE_DRIVER_HIGH = 0x2c;
  static final int QUEUE_DEVICE_LOW = 0x30;
  static final int QUEUE_DEVICE_HIGH = 0x34;
  static final int QUEUE_NOTIF_CONFIG_DATA = 0x38;
  static final int QUEUE_RESET = 0x3a;

  private CommonConfigLayout() {}
}
