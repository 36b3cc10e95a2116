package dev.virtiolab.virtio.net;

/**
 * struct virtio_net_config (virtio v1.4, 5.1.4 "Device configuration layout"), as far as the
 * features of this device reach; it ends after the last field that is offered. Little-endian.
 *
 * <pre>
 *      +0                    +6         +8                    +a    +c      +10
 * 00 | mac, 6 bytes        | status   | max_virtqueue_pairs | mtu | speed | duplex |
 * </pre>
 */
final class NetConfigLayout {
  static final int MAC = 0x00;
  static final int MAC_BYTES = 6;

  /** Exists with VIRTIO_NET_F_STATUS. */
  static final int STATUS = 0x06;

  /** Exists with VIRTIO_NET_F_MQ. */
  static final int MAX_VIRTQUEUE_PAIRS = 0x08;

  /** Exists with VIRTIO_NET_F_MTU. */
  static final int MTU = 0x0a;

  /** In MBit/s; exists with VIRTIO_NET_F_SPEED_DUPLEX. */
  static final int SPEED = 0x0c;

  /** Exists with VIRTIO_NET_F_SPEED_DUPLEX. */
  static final int DUPLEX = 0x10;

  static final int BYTES = 0x11;

  /** VIRTIO_NET_S_LINK_UP, a bit of {@code status}. */
  static final int STATUS_LINK_UP = 1;

  /** VIRTIO_NET_S_ANNOUNCE, a bit of {@code status}. */
  static final int STATUS_ANNOUNCE = 2;

  /** A {@code speed} that is not known. */
  static final int SPEED_UNKNOWN = 0xffff_ffff;

  /** {@code duplex}: full. */
  static final int DUPLEX_FULL = 1;

  /** {@code duplex}: not known. */
  static final int DUPLEX_UNKNOWN = 0xff;

  /** The smallest {@code mtu} that a device may present (5.1.4.1). */
  static final int MIN_MTU = 68;

  /** The largest {@code mtu} that a device may present (5.1.4.1). */
  static final int MAX_MTU = 65535;

  private NetConfigLayout() {}
}
