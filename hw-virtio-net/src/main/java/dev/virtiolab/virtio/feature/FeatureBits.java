package dev.virtiolab.virtio.feature;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Feature bits that this device knows (virtio v1.4, 5.1.3 "Feature bits" of the network device, and
 * chapter 6 "Reserved Feature Bits"): masks over bits 0 to 63, and {@link Features} of one bit each
 * beyond.
 */
public final class FeatureBits {
  /** The device completes a checksum that the driver left partial. */
  public static final long VIRTIO_NET_F_CSUM = 1L << 0;

  /** The driver takes frames whose checksum is partial, or was looked at already. */
  public static final long VIRTIO_NET_F_GUEST_CSUM = 1L << 1;

  /** What the driver takes can be changed by a command. */
  public static final long VIRTIO_NET_F_CTRL_GUEST_OFFLOADS = 1L << 2;

  /** The driver is told the largest MTU. */
  public static final long VIRTIO_NET_F_MTU = 1L << 3;

  /** The configuration space holds the MAC address. */
  public static final long VIRTIO_NET_F_MAC = 1L << 5;

  /** Legacy interface only: the device takes frames of any GSO type. */
  public static final long VIRTIO_NET_F_GSO = 1L << 6;

  /** The driver takes TCP over IPv4 in frames longer than the wire's. */
  public static final long VIRTIO_NET_F_GUEST_TSO4 = 1L << 7;

  /** Likewise TCP over IPv6. */
  public static final long VIRTIO_NET_F_GUEST_TSO6 = 1L << 8;

  /** Likewise TCP with congestion bits. */
  public static final long VIRTIO_NET_F_GUEST_ECN = 1L << 9;

  /** The driver takes UDP datagrams that need fragmenting. */
  public static final long VIRTIO_NET_F_GUEST_UFO = 1L << 10;

  /** The device cuts TCP over IPv4 into segments. */
  public static final long VIRTIO_NET_F_HOST_TSO4 = 1L << 11;

  /** Likewise TCP over IPv6. */
  public static final long VIRTIO_NET_F_HOST_TSO6 = 1L << 12;

  /** Likewise TCP with congestion bits. */
  public static final long VIRTIO_NET_F_HOST_ECN = 1L << 13;

  /** The device cuts UDP datagrams into IP fragments. */
  public static final long VIRTIO_NET_F_HOST_UFO = 1L << 14;

  /** A received frame may fill several buffers. */
  public static final long VIRTIO_NET_F_MRG_RXBUF = 1L << 15;

  /** The configuration space holds the link status. */
  public static final long VIRTIO_NET_F_STATUS = 1L << 16;

  /** There is a control queue. */
  public static final long VIRTIO_NET_F_CTRL_VQ = 1L << 17;

  /** It takes commands for the receive filter. */
  public static final long VIRTIO_NET_F_CTRL_RX = 1L << 18;

  /** It takes commands for the VLAN filter. */
  public static final long VIRTIO_NET_F_CTRL_VLAN = 1L << 19;

  /** It takes more commands for the receive filter. */
  public static final long VIRTIO_NET_F_CTRL_RX_EXTRA = 1L << 20;

  /** The device can ask the driver to make itself known on the wire. */
  public static final long VIRTIO_NET_F_GUEST_ANNOUNCE = 1L << 21;

  /** There are several pairs of queues. */
  public static final long VIRTIO_NET_F_MQ = 1L << 22;

  /** The MAC address can be set by a command. */
  public static final long VIRTIO_NET_F_CTRL_MAC_ADDR = 1L << 23;

  /** Legacy interface only: an interrupt when a queue runs empty, whatever is suppressed. */
  public static final long VIRTIO_F_NOTIFY_ON_EMPTY = 1L << 24;

  /** Legacy interface only: descriptors may be laid out in any way. */
  public static final long VIRTIO_F_ANY_LAYOUT = 1L << 27;

  /** A descriptor may refer to a table of descriptors. */
  public static final long VIRTIO_F_INDIRECT_DESC = 1L << 28;

  /** Notifications are suppressed by an index, not by a flag. */
  public static final long VIRTIO_F_EVENT_IDX = 1L << 29;

  /**
   * Legacy interface only: accepted by a driver that has not looked at what is offered. Called
   * UNUSED in the specification.
   */
  public static final long VIRTIO_F_BAD_FEATURE = 1L << 30;

  /** The device follows the specification and no legacy draft. */
  public static final long VIRTIO_F_VERSION_1 = 1L << 32;

  /** The device's accesses go through the platform's translation; once named IOMMU_PLATFORM. */
  public static final long VIRTIO_F_ACCESS_PLATFORM = 1L << 33;

  /** Buffers are used in the order in which they were made available. */
  public static final long VIRTIO_F_IN_ORDER = 1L << 35;

  /** A kick says how far the driver has come. */
  public static final long VIRTIO_F_NOTIFICATION_DATA = 1L << 38;

  /** A single queue can be reset. */
  public static final long VIRTIO_F_RING_RESET = 1L << 40;

  /** The driver takes UDP over IPv4 in frames longer than the wire's. */
  public static final long VIRTIO_NET_F_GUEST_USO4 = 1L << 54;

  /** Likewise UDP over IPv6. */
  public static final long VIRTIO_NET_F_GUEST_USO6 = 1L << 55;

  /** The device cuts a run of UDP datagrams that came as one. */
  public static final long VIRTIO_NET_F_HOST_USO = 1L << 56;

  /** The configuration space holds speed and duplex of the link. */
  public static final long VIRTIO_NET_F_SPEED_DUPLEX = 1L << 63;

  /** The driver takes what the other GUEST features speak of within a UDP tunnel, too. */
  public static final Features VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO = Features.bit(65);

  /** Likewise where the tunnel's own checksum is partial. */
  public static final Features VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM = Features.bit(66);

  /** The device cuts what is carried by a UDP tunnel. */
  public static final Features VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO = Features.bit(67);

  /** Likewise where the tunnel has a checksum of its own, which the device then makes. */
  public static final Features VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM = Features.bit(68);

  private static final String[] NAMES = new String[2 * Long.SIZE];

  static {
    NAMES[0] = "VIRTIO_NET_F_CSUM";
    NAMES[1] = "VIRTIO_NET_F_GUEST_CSUM";
    NAMES[2] = "VIRTIO_NET_F_CTRL_GUEST_OFFLOADS";
    NAMES[3] = "VIRTIO_NET_F_MTU";
    NAMES[5] = "VIRTIO_NET_F_MAC";
    NAMES[6] = "VIRTIO_NET_F_GSO";
    NAMES[7] = "VIRTIO_NET_F_GUEST_TSO4";
    NAMES[8] = "VIRTIO_NET_F_GUEST_TSO6";
    NAMES[9] = "VIRTIO_NET_F_GUEST_ECN";
    NAMES[10] = "VIRTIO_NET_F_GUEST_UFO";
    NAMES[11] = "VIRTIO_NET_F_HOST_TSO4";
    NAMES[12] = "VIRTIO_NET_F_HOST_TSO6";
    NAMES[13] = "VIRTIO_NET_F_HOST_ECN";
    NAMES[14] = "VIRTIO_NET_F_HOST_UFO";
    NAMES[15] = "VIRTIO_NET_F_MRG_RXBUF";
    NAMES[16] = "VIRTIO_NET_F_STATUS";
    NAMES[17] = "VIRTIO_NET_F_CTRL_VQ";
    NAMES[18] = "VIRTIO_NET_F_CTRL_RX";
    NAMES[19] = "VIRTIO_NET_F_CTRL_VLAN";
    NAMES[20] = "VIRTIO_NET_F_CTRL_RX_EXTRA";
    NAMES[21] = "VIRTIO_NET_F_GUEST_ANNOUNCE";
    NAMES[22] = "VIRTIO_NET_F_MQ";
    NAMES[23] = "VIRTIO_NET_F_CTRL_MAC_ADDR";
    NAMES[24] = "VIRTIO_F_NOTIFY_ON_EMPTY";
    NAMES[27] = "VIRTIO_F_ANY_LAYOUT";
    NAMES[28] = "VIRTIO_F_INDIRECT_DESC";
    NAMES[29] = "VIRTIO_F_EVENT_IDX";
    NAMES[30] = "VIRTIO_F_BAD_FEATURE";
    NAMES[32] = "VIRTIO_F_VERSION_1";
    NAMES[33] = "VIRTIO_F_ACCESS_PLATFORM";
    NAMES[35] = "VIRTIO_F_IN_ORDER";
    NAMES[38] = "VIRTIO_F_NOTIFICATION_DATA";
    NAMES[40] = "VIRTIO_F_RING_RESET";
    NAMES[54] = "VIRTIO_NET_F_GUEST_USO4";
    NAMES[55] = "VIRTIO_NET_F_GUEST_USO6";
    NAMES[56] = "VIRTIO_NET_F_HOST_USO";
    NAMES[63] = "VIRTIO_NET_F_SPEED_DUPLEX";
    NAMES[65] = "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO";
    NAMES[66] = "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM";
    NAMES[67] = "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO";
    NAMES[68] = "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM";
  }

  private FeatureBits() {}

  /** Whether {@code features} holds every bit of {@code mask}. */
  public static boolean has(long features, long mask) {
    return (features & mask) == mask;
  }

  /** The names of the bits that are set, lowest first; an unknown one as {@code bit N}. */
  public static List<String> names(Features features) {
    List<String> names = new ArrayList<>();
    for (int bit = 0; bit < NAMES.length; bit++) {
      if (features.has(Features.bit(bit))) {
        names.add(NAMES[bit] == null ? "bit " + bit : NAMES[bit]);
      }
    }
    return names;
  }

  /** Likewise of bits 0 to 63. */
  public static List<String> names(long features) {
    return names(Features.of(features));
  }

  /**
   * The bit of that name.
   *
   * @param word as an option has it, such as {@code mrg_rxbuf}: without its prefix, in lower case
   * @return a set of one bit; none for a name that nobody has
   */
  public static Features ofWord(String word) {
    for (int bit = 0; bit < NAMES.length; bit++) {
      if (NAMES[bit] != null && word(Features.bit(bit)).equals(word)) {
        return Features.bit(bit);
      }
    }
    return Features.NONE;
  }

  /** The one bit's name as an option has it; see {@link #ofWord}. */
  public static String word(Features bit) {
    String name = names(bit).getFirst();
    return name.substring(name.indexOf("_F_") + 3).toLowerCase(Locale.ROOT);
  }
}
