package dev.virtiolab.virtio.net;

import dev.virtiolab.net.Offload;

/**
 * struct virtio_net_hdr (virtio v1.4, 5.1.6 "Device Operation") without hash report, UDP tunnel and
 * outer header fields, none of which is offered. Little-endian; in front of every frame. Without
 * {@code num_buffers} for a legacy driver that does not merge buffers.
 *
 * <pre>
 *      +0       +1        +2        +4         +6          +8           +a
 * 00 | flags | gso_type | hdr_len | gso_size | csum_start | csum_offset | num_buffers |
 * </pre>
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

  /** In {@code flags}: with tunnel offloads only; the other values are {@link Offload}'s. */
  static final int F_UDP_TUNNEL_CSUM = 0x08;

  private NetHeaderLayout() {}
}
