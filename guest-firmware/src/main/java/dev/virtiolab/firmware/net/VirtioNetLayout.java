package dev.virtiolab.firmware.net;

import dev.virtiolab.firmware.uefi.VirtioDevice;

/** A virtio network device: virtio v1.4, 5.1 "Network Device". All fields are little-endian. */
final class VirtioNetLayout {
  /** 5.1.1 "Device ID". */
  static final int DEVICE_TYPE = 1;

  // 5.1.2 "Virtqueues"
  static final int RECEIVEQ = 0;
  static final int TRANSMITQ = 1;

  // 5.1.3 "Feature bits"
  static final long F_MTU = 1L << 3;
  static final long F_MAC = 1L << 5;
  static final long F_STATUS = 1L << 16;

  // struct virtio_net_config: 5.1.4 "Device configuration layout"
  static final int CONFIG_MAC = 0;
  static final int CONFIG_MAC_SIZE = 6;
  static final int CONFIG_STATUS = 6;
  static final int CONFIG_STATUS_SIZE = 2;
  static final int STATUS_LINK_UP = 1;
  static final int CONFIG_MTU = 10;
  static final int CONFIG_MTU_SIZE = 2;

  /**
   * struct virtio_net_hdr with num_buffers, as it is under VERSION_1: 5.1.6 "Device Operation".
   *
   * <pre>
   *   0       1          2         4          6            8             10            12
   *  +-------+----------+---------+----------+------------+-------------+-------------+
   *  | flags | gso_type | hdr_len | gso_size | csum_start | csum_offset | num_buffers |
   *  +-------+----------+---------+----------+------------+-------------+-------------+
   * </pre>
   */
  static final int HEADER_SIZE = 12;

  /** Without num_buffers, as it is before VERSION_1 for who does not merge buffers. */
  static final int LEGACY_HEADER_SIZE = 10;

  // IEEE 802.3: destination, source, type; then a packet
  static final int MAC_SIZE = 6;
  static final int FRAME_SOURCE = 6;
  static final int FRAME_TYPE = 12;
  static final int MEDIA_HEADER_SIZE = 14;

  // IEEE 802.1Q, 9.3: a tag stands before the type, and begins with a type of its own
  static final int VLAN_TAG_SIZE = 4;
  static final int TYPE_VLAN = 0x8100;
  static final int TYPE_SERVICE_VLAN = 0x88a8;

  /** Frames in flight at most, for each direction; the queue's size may allow fewer. */
  static final int MAX_PENDING = 64;

  private VirtioNetLayout() {}

  /** Bytes of the header that a device of {@code revision} has before each frame. */
  static int headerSize(int revision) {
    return revision < VirtioDevice.REVISION_1_0_0 ? LEGACY_HEADER_SIZE : HEADER_SIZE;
  }

  /** Whether a frame of this type has a tag, one that counts: there is room for one. */
  static boolean isTag(int type) {
    return type == TYPE_VLAN || type == TYPE_SERVICE_VLAN;
  }
}
