package dev.virtiolab.firmware.stack;

/**
 * An Ethernet II frame, without preamble and checksum: RFC 894 and IEEE 802.3, 3.2.
 *
 * <pre>
 *   0            6            12     14
 *   +------------+------------+------+---------
 *   | destination| source     | type | payload
 *   +------------+------------+------+---------
 * </pre>
 */
final class EthernetLayout {
  static final int DESTINATION = 0;
  static final int SOURCE = 6;
  static final int TYPE = 12;
  static final int HEADER_BYTES = 14;
  static final int ADDRESS_BYTES = 6;

  /** By which the header of a frame on a VLAN is longer: IEEE 802.1Q, 9.3. */
  static final int VLAN_TAG_BYTES = 4;

  static final int TYPE_IPV4 = 0x0800;
  static final int TYPE_ARP = 0x0806;

  static final long BROADCAST = 0xffff_ffff_ffffL;

  /** The group bit of an address held in the low 48 bits of a long. */
  static final long GROUP_BIT = 1L << 40;

  private EthernetLayout() {}
}
