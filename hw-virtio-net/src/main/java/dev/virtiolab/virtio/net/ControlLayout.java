package dev.virtiolab.virtio.net;

/**
 * struct virtio_net_ctrl and its commands (virtio v1.4, 5.1.6.5 "Control Virtqueue").
 * Little-endian. The readable part ends before {@code ack}, which is the writable part.
 *
 * <pre>
 *      +0      +1        +2                        | +0
 * 00 | class | command | command-specific-data ... | ack |
 * </pre>
 */
final class ControlLayout {
  static final int CLASS = 0;
  static final int COMMAND = 1;
  static final int DATA = 2;
  static final int ACK_BYTES = 1;

  // ack
  static final int OK = 0;
  static final int ERR = 1;

  // class VIRTIO_NET_CTRL_RX, 5.1.6.5.1: one byte, 0 or 1
  static final int RX = 0;
  static final int RX_PROMISC = 0;
  static final int RX_ALLMULTI = 1;
  static final int RX_ALLUNI = 2;
  static final int RX_NOMULTI = 3;
  static final int RX_NOUNI = 4;
  static final int RX_NOBCAST = 5;

  // class VIRTIO_NET_CTRL_MAC, 5.1.6.5.2: two tables, each le32 entries and as many addresses
  static final int MAC = 1;
  static final int MAC_TABLE_SET = 0;
  static final int MAC_ADDR_SET = 1;
  static final int MAC_ENTRIES_BYTES = 4;

  // class VIRTIO_NET_CTRL_VLAN, 5.1.6.5.3: le16
  static final int VLAN = 2;
  static final int VLAN_ADD = 0;
  static final int VLAN_DEL = 1;
  static final int VLAN_BYTES = 2;

  // class VIRTIO_NET_CTRL_ANNOUNCE, 5.1.6.5.4: no data
  static final int ANNOUNCE = 3;
  static final int ANNOUNCE_ACK = 0;

  // class VIRTIO_NET_CTRL_MQ, 5.1.6.5.5 and 5.1.6.5.6: le16 virtqueue_pairs
  static final int MQ = 4;
  static final int MQ_VQ_PAIRS_SET = 0;
  static final int MQ_BYTES = 2;

  // class VIRTIO_NET_CTRL_GUEST_OFFLOADS, 5.1.6.5.8: le64
  static final int GUEST_OFFLOADS = 5;
  static final int GUEST_OFFLOADS_SET = 0;
  static final int GUEST_OFFLOADS_BYTES = 8;

  private ControlLayout() {}
}
