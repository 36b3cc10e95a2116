package dev.virtiolab.virtio.net;

import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_EVENT_IDX;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_INDIRECT_DESC;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_IN_ORDER;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_NOTIFICATION_DATA;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_F_RING_RESET;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CSUM;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_MAC_ADDR;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_RX;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_RX_EXTRA;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_VLAN;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_CTRL_VQ;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_GUEST_ANNOUNCE;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_GUEST_CSUM;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_GUEST_ECN;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_GUEST_TSO4;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_GUEST_TSO6;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_GUEST_UFO;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_GUEST_USO4;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_GUEST_USO6;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_HOST_ECN;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_HOST_TSO4;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_HOST_TSO6;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_HOST_UFO;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_HOST_USO;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_MQ;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_MRG_RXBUF;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_SPEED_DUPLEX;
import static dev.virtiolab.virtio.feature.FeatureBits.VIRTIO_NET_F_STATUS;

import dev.virtiolab.net.Offload;
import dev.virtiolab.virtio.feature.Features;

/**
 * The features that can be switched on a network device, which of them needs which (virtio v1.4,
 * 5.1.3.1 "Feature bit requirements"), and what work on frames they stand for.
 *
 * <p>MAC and VERSION_1 are always offered; MTU, MQ and ACCESS_PLATFORM follow from what the device
 * is told of its wire and its platform.
 */
public final class NetFeatures {
  /** What needs the control queue. */
  private static final long CONTROLLED =
      VIRTIO_NET_F_CTRL_RX
          | VIRTIO_NET_F_CTRL_RX_EXTRA
          | VIRTIO_NET_F_CTRL_VLAN
          | VIRTIO_NET_F_CTRL_MAC_ADDR
          | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS
          | VIRTIO_NET_F_GUEST_ANNOUNCE;

  private static final long HOST_TSO = VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6;
  private static final long GUEST_TSO = VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6;

  /** What needs CSUM. */
  private static final long HOST_SEGMENTS =
      HOST_TSO | VIRTIO_NET_F_HOST_ECN | VIRTIO_NET_F_HOST_UFO | VIRTIO_NET_F_HOST_USO;

  /** What needs GUEST_CSUM. */
  private static final long GUEST_SEGMENTS =
      GUEST_TSO
          | VIRTIO_NET_F_GUEST_ECN
          | VIRTIO_NET_F_GUEST_UFO
          | VIRTIO_NET_F_GUEST_USO4
          | VIRTIO_NET_F_GUEST_USO6;

  /** What HOST_UDP_TUNNEL_GSO needs, all of it. */
  private static final long HOST_CARRIED = HOST_TSO | VIRTIO_NET_F_HOST_USO;

  private static final long GUEST_CARRIED =
      GUEST_TSO | VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6;

  private static final Features HOST_TUNNELS =
      VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO.with(VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM);

  private static final Features GUEST_TUNNELS =
      VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO.with(VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM);

  /** What the command GUEST_OFFLOADS_SET switches by the numbers of the features (5.1.6.5.8). */
  private static final long GUEST_OFFLOADS = VIRTIO_NET_F_GUEST_CSUM | GUEST_SEGMENTS;

  // What it switches by other numbers, as those of the features are beyond its 64 bits.
  private static final long OFFLOADS_TUNNEL = 1L << 46;
  private static final long OFFLOADS_TUNNEL_CSUM = 1L << 47;

  /** Offered by a device that is told nothing else: what QEMU 11.1 offers on a TAP, too. */
  public static final Features USUAL =
      Features.of(
              VIRTIO_NET_F_STATUS
                  | VIRTIO_NET_F_MRG_RXBUF
                  | VIRTIO_NET_F_CTRL_VQ
                  | CONTROLLED
                  | VIRTIO_NET_F_CSUM
                  | HOST_SEGMENTS
                  | GUEST_OFFLOADS
                  | VIRTIO_F_INDIRECT_DESC
                  | VIRTIO_F_EVENT_IDX
                  | VIRTIO_F_RING_RESET)
          .with(HOST_TUNNELS)
          .with(GUEST_TUNNELS);

  /** Everything that can be offered. */
  public static final Features KNOWN =
      USUAL.with(VIRTIO_NET_F_SPEED_DUPLEX | VIRTIO_F_IN_ORDER | VIRTIO_F_NOTIFICATION_DATA);

  private NetFeatures() {}

  /** {@code features} without those that need one which is not among them. */
  public static Features consistent(Features features) {
    long low = features.low();
    low = unless(low, VIRTIO_NET_F_CTRL_VQ, CONTROLLED | VIRTIO_NET_F_MQ);
    low = unless(low, VIRTIO_NET_F_CSUM, HOST_SEGMENTS);
    low = unless(low, VIRTIO_NET_F_GUEST_CSUM, GUEST_SEGMENTS);
    low = unless(low, HOST_TSO, VIRTIO_NET_F_HOST_ECN);
    low = unless(low, GUEST_TSO, VIRTIO_NET_F_GUEST_ECN);
    Features left = new Features(low, features.high());
    if (!left.has(HOST_CARRIED) || !left.has(VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO)) {
      left = left.without(HOST_TUNNELS);
    }
    if (!left.has(GUEST_CARRIED) || !left.has(VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO)) {
      left = left.without(GUEST_TUNNELS);
    }
    return left;
  }

  /** Without {@code dependent} unless one of {@code needed} is there. */
  private static long unless(long features, long needed, long dependent) {
    return (features & needed) == 0 ? features & ~dependent : features;
  }

  /** Whether the header before a frame says where a tunnel's headers are (5.1.6). */
  static boolean describeTunnels(Features agreed) {
    return agreed.has(VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO)
        || agreed.has(VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO);
  }

  /** What GUEST_OFFLOADS_SET may switch on for a driver that accepted {@code agreed}. */
  static long guestOffloads(Features agreed) {
    return agreed.low() & GUEST_OFFLOADS
        | (agreed.has(VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO) ? OFFLOADS_TUNNEL : 0)
        | (agreed.has(VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM) ? OFFLOADS_TUNNEL_CSUM : 0);
  }

  /** The features that such a command names. */
  static Features ofGuestOffloads(long offloads) {
    Features features = Features.of(offloads & GUEST_OFFLOADS);
    if ((offloads & OFFLOADS_TUNNEL) != 0) {
      features = features.with(VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO);
    }
    if ((offloads & OFFLOADS_TUNNEL_CSUM) != 0) {
      features = features.with(VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM);
    }
    return features;
  }

  /** What a driver may leave to the device, as kinds of {@link Offload}. */
  static int hostWork(Features features) {
    return kind(features, VIRTIO_NET_F_CSUM, Offload.CSUM)
        | kind(features, VIRTIO_NET_F_HOST_TSO4, Offload.TSO4)
        | kind(features, VIRTIO_NET_F_HOST_TSO6, Offload.TSO6)
        | kind(features, VIRTIO_NET_F_HOST_ECN, Offload.ECN)
        | kind(features, VIRTIO_NET_F_HOST_UFO, Offload.UFO)
        | kind(features, VIRTIO_NET_F_HOST_USO, Offload.USO4 | Offload.USO6)
        | kind(features, VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO, Offload.TUNNEL)
        | kind(features, VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM, Offload.TUNNEL_CSUM);
  }

  /** What the device may leave to a driver, as kinds of {@link Offload}. */
  static int guestWork(Features features) {
    return kind(features, VIRTIO_NET_F_GUEST_CSUM, Offload.CSUM)
        | kind(features, VIRTIO_NET_F_GUEST_TSO4, Offload.TSO4)
        | kind(features, VIRTIO_NET_F_GUEST_TSO6, Offload.TSO6)
        | kind(features, VIRTIO_NET_F_GUEST_ECN, Offload.ECN)
        | kind(features, VIRTIO_NET_F_GUEST_UFO, Offload.UFO)
        | kind(features, VIRTIO_NET_F_GUEST_USO4, Offload.USO4)
        | kind(features, VIRTIO_NET_F_GUEST_USO6, Offload.USO6)
        | kind(features, VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO, Offload.TUNNEL)
        | kind(features, VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM, Offload.TUNNEL_CSUM);
  }

  private static int kind(Features features, long feature, int kind) {
    return features.has(feature) ? kind : 0;
  }

  private static int kind(Features features, Features feature, int kind) {
    return features.has(feature) ? kind : 0;
  }
}
