package dev.virtiolab.firmware.stack.udp;

/**
 * A UDP header: RFC 768, "Format". Big-endian.
 *
 * <pre>
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-------------------------------+-------------------------------+
 *   |          source port          |       destination port        |
 *   +-------------------------------+-------------------------------+
 *   |            length             |           checksum            |
 *   +-------------------------------+-------------------------------+
 * </pre>
 */
final class UdpLayout {
  /** In the IPv4 header. */
  static final int PROTOCOL = 17;

  static final int SOURCE_PORT = 0;
  static final int DESTINATION_PORT = 2;
  static final int LENGTH = 4;
  static final int CHECKSUM = 6;
  static final int HEADER_BYTES = 8;

  /** In the field: the sender has made none. A checksum that is 0 is sent as all ones. */
  static final int NO_CHECKSUM = 0;

  static final int ALL_ONES = 0xffff;

  private UdpLayout() {}
}
