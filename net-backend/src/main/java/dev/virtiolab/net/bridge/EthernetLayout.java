package dev.virtiolab.net.bridge;

/**
 * Where the addresses of a frame are, and which of them are special.
 *
 * <pre>
 * IEEE 802.3-2018, 3.1.1 "Packet format", after preamble and delimiter:
 *   destination address   6 octets
 *   source address        6 octets
 *   length or type        2 octets
 * </pre>
 *
 * <p>An address is held in the low 48 bits of a long, its first octet highest.
 */
final class EthernetLayout {
  static final int DESTINATION = 0;
  static final int SOURCE = 6;
  static final int HEADER_BYTES = 14;

  static final int ADDRESS_BITS = 48;

  /** The bit that tells a group from one station (802.3, 3.2.3): the lowest of the first octet. */
  static final long GROUP_BIT = 1L << 40;

  /** 01-80-C2-00-00-00 to -0F: not relayed by any bridge (802.1D-2004, 7.12.6). */
  static final long RESERVED_FIRST = 0x0180_C200_0000L;

  static final long RESERVED_LAST = 0x0180_C200_000FL;

  private EthernetLayout() {}
}
