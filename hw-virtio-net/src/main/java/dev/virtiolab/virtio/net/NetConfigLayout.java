package dev.virtiolab.virtio.net;

/**
 * struct virtio_net_config (virtio v1.4, 5.1.4 "Device configuration layout"), as far as the
 * features of this device reach. Little-endian.
 *
 * <pre>
 *      +0                    +6         +8                    +a
 * 00 | mac, 6 bytes        | status   | max_virtqueue_pairs | mtu |
 * </pre>
 */
final class NetConfigLayout {
  static final int MAC = 0x00;
  static final int MAC_BYTES = 6;
  static final int STATUS = 0x06;
  static final int MAX_VIRTQUEUE_PAIRS = 0x08;
  static final int MTU = 0x0a;

  /** Bytes up to and including {@code status}. */
  static final int BYTES_WITHOUT_MTU = 0x08;

  /** Bytes up to and including {@code mtu}: with VIRTIO_NET_F_MTU only. */
  static final int BYTES_WITH_MTU = 0x0c;

  /** VIRTIO_NET_S_LINK_UP, a bit of {@code status}. */
  static final int STATUS_LINK_UP = 1;

  /** The smallest {@code mtu} that a device may present (5.1.4.1). */
  static final int MIN_MTU = 68;

  /** The largest {@code mtu} that a device may present (5.1.4.1). */
  static final int MAX_MTU = 65535;

  private NetConfigLayout() {}
}
