package dev.virtiolab.net;

/**
 * What is left to be done with a frame, in one {@code long}: the fields of struct virtio_net_hdr
 * (virtio v1.4, 5.1.6 "Device Operation") that say so. 0 is a frame with nothing left to do.
 *
 * <pre>
 *   63          48 47          32 31          16 15        8 7       0
 *  | csum_offset  | csum_start   | gso_size     | gso_type  | flags   |
 * </pre>
 *
 * <p>Where the type says that the segments are carried by a UDP tunnel, these are the inner
 * headers' fields, and an {@code int} beside says where the tunnel is; elsewhere it means nothing.
 *
 * <pre>
 *   31             16 15              0
 *  | outer_th_offset | inner_nh_offset |
 * </pre>
 *
 * <p>The kinds of work are bits of their own, with the values of the kernel's TUNSETOFFLOAD.
 */
public final class Offload {
  /** Nothing is left to do. */
  public static final long NONE = 0;

  // flags

  /** The checksum is partial: it covers from csum_start on, and goes to csum_offset behind that. */
  public static final int NEEDS_CSUM = 1;

  /** The checksum was looked at, and is right. */
  public static final int DATA_VALID = 2;

  /** Beside a tunnel's type: the outer UDP checksum is partial, too. */
  public static final int TUNNEL_CSUM_PARTIAL = 8;

  // gso_type

  public static final int GSO_NONE = 0;
  public static final int GSO_TCPV4 = 1;
  public static final int GSO_UDP = 3;
  public static final int GSO_TCPV6 = 4;
  public static final int GSO_UDP_L4 = 5;

  /**
   * Beside a type of TCP or UDP_L4: carried by a UDP tunnel over IPv4. Linux names the outer IP
   * version by it and by the next, the specification the inner one; a wire takes and gives the
   * outer one.
   */
  public static final int GSO_UDP_TUNNEL_IPV4 = 0x20;

  /** Likewise over IPv6. */
  public static final int GSO_UDP_TUNNEL_IPV6 = 0x40;

  /** Beside a TCP type: congestion bits are set. */
  public static final int GSO_ECN = 0x80;

  // kinds of work

  public static final int CSUM = 0x01;
  public static final int TSO4 = 0x02;
  public static final int TSO6 = 0x04;
  public static final int ECN = 0x08;
  public static final int UFO = 0x10;
  public static final int USO4 = 0x20;
  public static final int USO6 = 0x40;

  /** What a tunnel carries is cut like what is not carried, and the tunnel's headers with it. */
  public static final int TUNNEL = 0x80;

  /** The tunnel's own checksum is completed. */
  public static final int TUNNEL_CSUM = 0x100;

  private static final int GSO_UDP_TUNNEL = GSO_UDP_TUNNEL_IPV4 | GSO_UDP_TUNNEL_IPV6;

  private Offload() {}

  /** The word; each field is cut to its width. */
  public static long of(int flags, int gsoType, int gsoSize, int csumStart, int csumOffset) {
    return flags & 0xffL
        | (gsoType & 0xffL) << 8
        | (gsoSize & 0xffffL) << 16
        | (csumStart & 0xffffL) << 32
        | (csumOffset & 0xffffL) << 48;
  }

  public static int flags(long word) {
    return (int) word & 0xff;
  }

  public static boolean needsCsum(long word) {
    return (word & NEEDS_CSUM) != 0;
  }

  /** Where a tunnel's headers are; each offset is cut to 16 bits. */
  public static int tunnel(int outerTransport, int innerNetwork) {
    return outerTransport << 16 | innerNetwork & 0xffff;
  }

  /** Offset of the tunnel's UDP header in the frame. */
  public static int outerTransport(int tunnel) {
    return tunnel >>> 16;
  }

  /** Offset of the IP header that is carried. */
  public static int innerNetwork(int tunnel) {
    return tunnel & 0xffff;
  }

  /** Whether a {@link #gsoType} is carried by a UDP tunnel. */
  public static boolean isTunnel(int gsoType) {
    return (gsoType & GSO_UDP_TUNNEL) != 0;
  }

  /** The type without what stands beside it. */
  public static int plainType(int gsoType) {
    return gsoType & ~(GSO_ECN | GSO_UDP_TUNNEL);
  }

  /** {@code word}, which speaks of a tunnel, with its type's tunnel over that IP version. */
  public static long overIp(long word, int version) {
    int tunnel = version == 4 ? GSO_UDP_TUNNEL_IPV4 : GSO_UDP_TUNNEL_IPV6;
    return word & ~((long) GSO_UDP_TUNNEL << 8) | (long) tunnel << 8;
  }

  /** With {@link #GSO_ECN} and the tunnel's bit, if they are set. */
  public static int gsoType(long word) {
    return (int) (word >>> 8) & 0xff;
  }

  /** Bytes of payload per segment. */
  public static int gsoSize(long word) {
    return (int) (word >>> 16) & 0xffff;
  }

  public static int csumStart(long word) {
    return (int) (word >>> 32) & 0xffff;
  }

  public static int csumOffset(long word) {
    return (int) (word >>> 48);
  }

  /**
   * The kinds of work that {@code word} asks for; whoever leaves the frame to another needs all of
   * them done there. A run of UDP datagrams names its IP version nowhere: it counts as both.
   *
   * @return bits; -1 for a type that nobody knows, and for what must not stand beside it
   */
  public static int kinds(long word) {
    int type = gsoType(word);
    int kinds = needsCsum(word) ? CSUM : 0;
    if (isTunnel(type) || (word & TUNNEL_CSUM_PARTIAL) != 0) {
      if (!canBeTunnel(word)) {
        return -1;
      }
      kinds |= TUNNEL | ((word & TUNNEL_CSUM_PARTIAL) != 0 ? TUNNEL_CSUM : 0);
    }
    if ((type & GSO_ECN) != 0) {
      kinds |= ECN;
    }
    return switch (plainType(type)) {
      case GSO_NONE -> (kinds & ECN) != 0 ? -1 : kinds;
      case GSO_TCPV4 -> kinds | TSO4;
      case GSO_TCPV6 -> kinds | TSO6;
      case GSO_UDP -> (kinds & ECN) != 0 ? -1 : kinds | UFO;
      case GSO_UDP_L4 -> (kinds & ECN) != 0 ? -1 : kinds | USO4 | USO6;
      default -> -1;
    };
  }

  /**
   * What the device "MUST NOT accept" of a tunnel (5.1.6.2.2): both IP versions at once or none, no
   * partial checksum, a checksum that was looked at already, nothing to cut or fragments.
   */
  private static boolean canBeTunnel(long word) {
    int type = gsoType(word);
    int plain = plainType(type);
    return (type & GSO_UDP_TUNNEL) != GSO_UDP_TUNNEL
        && isTunnel(type)
        && (word & (NEEDS_CSUM | DATA_VALID)) == NEEDS_CSUM
        && plain != GSO_NONE
        && plain != GSO_UDP;
  }
}
