package dev.virtiolab.firmware.stack;

/**
 * An IPv4 header: RFC 791, 3.1 "Internet Header Format". Big-endian.
 *
 * <pre>
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-------+-------+---------------+-------------------------------+
 *   |version|header |type of service|         total length          |
 *   +-------+-------+---------------+-----+-------------------------+
 *   |        identification         |flags|     fragment offset     |
 *   +---------------+---------------+-----+-------------------------+
 *   | time to live  |   protocol    |        header checksum        |
 *   +---------------+---------------+-------------------------------+
 *   |                        source address                         |
 *   +---------------------------------------------------------------+
 *   |                     destination address                       |
 *   +---------------------------------------------------------------+
 * </pre>
 */
final class Ipv4Layout {
  static final int VERSION_AND_HEADER_LENGTH = 0;
  static final int TYPE_OF_SERVICE = 1;
  static final int TOTAL_LENGTH = 2;
  static final int IDENTIFICATION = 4;
  static final int FLAGS_AND_OFFSET = 6;
  static final int TIME_TO_LIVE = 8;
  static final int PROTOCOL = 9;
  static final int HEADER_CHECKSUM = 10;
  static final int SOURCE = 12;
  static final int DESTINATION = 16;

  /** Without options. */
  static final int HEADER_BYTES = 20;

  static final int VERSION = 4;
  static final int DONT_FRAGMENT = 0x4000;
  static final int MORE_FRAGMENTS = 0x2000;
  static final int OFFSET_MASK = 0x1fff;

  /** Fragment offsets count in these. */
  static final int UNIT_BYTES = 8;

  static final int MAX_TOTAL_BYTES = 65_535;
  static final int MAX_PAYLOAD_BYTES = MAX_TOTAL_BYTES - HEADER_BYTES;

  static final int PROTOCOL_ICMP = 1;

  private Ipv4Layout() {}
}
