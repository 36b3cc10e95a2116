package dev.virtiolab.virtio.net;

import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_EVENT_IDX;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_INDIRECT_DESC;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_RING_RESET;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_MAC_ADDR;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_RX;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_RX_EXTRA;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_VLAN;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_VQ;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_GUEST_ANNOUNCE;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_MRG_RXBUF;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_SPEED_DUPLEX;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_STATUS;

import dev.virtiolab.virtio.feature.FeatureBits;

/**
 * The features that can be switched on a network device, and which of them needs which (virtio
 * v1.4, 5.1.3.1 "Feature bit requirements").
 *
 * <p>MAC and VERSION_1 are always offered; MTU and ACCESS_PLATFORM follow from what the device is
 * told of its wire and its platform.
 */
public final class NetFeatures {
  /** What needs the control queue. */
  private static final long CONTROLLED =
      VIRTIO_NET_F_CTRL_RX
          | VIRTIO_NET_F_CTRL_RX_EXTRA
          | VIRTIO_NET_F_CTRL_VLAN
          | VIRTIO_NET_F_CTRL_MAC_ADDR
          | VIRTIO_NET_F_GUEST_ANNOUNCE;

  /** Offered by a device that is told nothing else: what QEMU 11.1 offers too. */
  public static final long USUAL =
      VIRTIO_NET_F_STATUS
          | VIRTIO_NET_F_MRG_RXBUF
          | VIRTIO_NET_F_CTRL_VQ
          | CONTROLLED
          | VIRTIO_F_INDIRECT_DESC
          | VIRTIO_F_EVENT_IDX
          | VIRTIO_F_RING_RESET;

  /** Everything that can be offered. */
  public static final long KNOWN = USUAL | VIRTIO_NET_F_SPEED_DUPLEX;

  private NetFeatures() {}

  /** {@code features} without those that need one which is not among them. */
  public static long consistent(long features) {
    long left = features;
    if (!FeatureBits.has(left, VIRTIO_NET_F_CTRL_VQ)) {
      left &= ~CONTROLLED;
    }
    return left;
  }
}
