package dev.virtiolab.virtio.net;

/**
 * struct virtio_net_hdr (virtio v1.4, 5.1.6 "Device Operation"), up to {@code inner_nh_offset}:
 * what follows goes with features that are not offered. Little-endian; in front of every frame.
 *
 * <pre>
 *      +0       +1        +2        +4         +6          +8            +a
 * 00 | flags | gso_type | hdr_len | gso_size | csum_start | csum_offset | num_buffers |
 *
 *      +c           +10           +12               +14               +16
 * 0c | hash_value | hash_report | padding_reserved | outer_th_offset | inner_nh_offset |
 * </pre>
 *
 * <p>It ends with {@code num_buffers}, and for a legacy driver that does not merge buffers before
 * it; with a feature for UDP tunnels it ends with {@code inner_nh_offset}, and has room for the
 * hash also where no feature puts one there: "the driver MUST consider all the fields inclusive",
 * 24 bytes of them (5.1.6.3.1).
 */
final class NetHeaderLayout {
  static final int FLAGS = 0x00;
  static final int GSO_TYPE = 0x01;
  static final int HDR_LEN = 0x02;
  static final int GSO_SIZE = 0x04;
  static final int CSUM_START = 0x06;
  static final int CSUM_OFFSET = 0x08;
  static final int NUM_BUFFERS = 0x0a;
  static final int BYTES = 0x0c;

  static final int OUTER_TH_OFFSET = 0x14;
  static final int INNER_NH_OFFSET = 0x16;
  static final int TUNNEL_BYTES = 0x18;

  private NetHeaderLayout() {}
}
