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

  // gso_type

  public static final int GSO_NONE = 0;
  public static final int GSO_TCPV4 = 1;
  public static final int GSO_UDP = 3;
  public static final int GSO_TCPV6 = 4;
  public static final int GSO_UDP_L4 = 5;

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

  /** With {@link #GSO_ECN}, if it is set. */
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
   * @return bits; -1 for a type that nobody knows
   */
  public static int kinds(long word) {
    int kinds = needsCsum(word) ? CSUM : 0;
    int type = gsoType(word);
    if ((type & GSO_ECN) != 0) {
      kinds |= ECN;
    }
    return switch (type & ~GSO_ECN) {
      case GSO_NONE -> (kinds & ECN) != 0 ? -1 : kinds;
      case GSO_TCPV4 -> kinds | TSO4;
      case GSO_TCPV6 -> kinds | TSO6;
      case GSO_UDP -> (kinds & ECN) != 0 ? -1 : kinds | UFO;
      case GSO_UDP_L4 -> (kinds & ECN) != 0 ? -1 : kinds | USO4 | USO6;
      default -> -1;
    };
  }
}
