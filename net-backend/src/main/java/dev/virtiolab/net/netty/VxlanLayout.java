package dev.virtiolab.net.netty;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * What is in front of each frame.
 *
 * <pre>
 * RFC 7348, 5 "VXLAN Frame Format", behind the outer UDP header:
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |R|R|R|R|I|R|R|R|                   reserved                    |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |       VXLAN network identifier (VNI)          |   reserved    |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |  the frame: Ethernet header and payload, no checksum          |
 * </pre>
 *
 * <p>What is reserved, flags included, is 0 when sent and not looked at when received.
 */
final class VxlanLayout {
  static final int FLAGS = 0;
  static final int VNI = 4;
  static final int FRAME = 8;

  static final int HEADER_BYTES = 8;

  /** The I flag in the first word: the VNI is valid. */
  static final int VNI_IS_VALID = 1 << 27;

  /** How far the VNI is shifted in the second word. */
  static final int VNI_SHIFT = 8;

  // IEEE 802.3-2018, 3.1.1 "Packet format", in the frame.
  static final int DESTINATION = 0;
  static final int SOURCE = 6;
  static final int ETHERNET_HEADER_BYTES = 14;

  /** The bit that tells a group from one station (802.3, 3.2.3), in the low 48 bits of a long. */
  static final long GROUP_BIT = 1L << 40;

  // What the underlay puts in front of it.
  static final int UDP_HEADER_BYTES = 8;
  static final int IPV4_HEADER_BYTES = 20;
  static final int IPV6_HEADER_BYTES = 40;

  /** The largest UDP payload over IPv4: 65535 less both headers. */
  static final int MAX_UDP_BYTES_IPV4 = 65_507;

  /** Over IPv6, whose payload length leaves out its own header. */
  static final int MAX_UDP_BYTES_IPV6 = 65_527;

  static final ValueLayout.OfInt BE32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
  static final ValueLayout.OfShort BE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  private VxlanLayout() {}
}
