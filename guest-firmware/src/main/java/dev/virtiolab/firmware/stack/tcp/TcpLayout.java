package dev.virtiolab.firmware.stack.tcp;

/**
 * A TCP header: RFC 9293, 3.1 "Header Format", and the options of 3.2 and of RFC 7323, section 2
 * "TCP Window Scale Option". Big-endian.
 *
 * <pre>
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-------------------------------+-------------------------------+
 *   |          source port          |       destination port        |
 *   +-------------------------------+-------------------------------+
 *   |                        sequence number                        |
 *   +---------------------------------------------------------------+
 *   |                     acknowledgment number                     |
 *   +-------+-------+---------------+-------------------------------+
 *   | data  |  re-  |C E U A P R S F|                               |
 *   | offset| served|W C R C S S Y I|            window             |
 *   |       |       |R E G K H T N N|                               |
 *   +-------+-------+---------------+-------------------------------+
 *   |           checksum            |        urgent pointer         |
 *   +-------------------------------+-------------------------------+
 * </pre>
 */
final class TcpLayout {
  /** In the IPv4 header. */
  static final int PROTOCOL = 6;

  static final int SOURCE_PORT = 0;
  static final int DESTINATION_PORT = 2;
  static final int SEQUENCE = 4;
  static final int ACKNOWLEDGMENT = 8;
  static final int DATA_OFFSET = 12;
  static final int FLAGS = 13;
  static final int WINDOW = 14;
  static final int CHECKSUM = 16;
  static final int URGENT_POINTER = 18;

  /** Without options. */
  static final int HEADER_BYTES = 20;

  static final int FIN = 0x01;
  static final int SYN = 0x02;
  static final int RST = 0x04;
  static final int PSH = 0x08;
  static final int ACK = 0x10;

  static final int OPTION_END = 0;
  static final int OPTION_NOP = 1;
  static final int OPTION_MSS = 2;
  static final int OPTION_MSS_BYTES = 4;
  static final int OPTION_WINDOW_SCALE = 3;
  static final int OPTION_WINDOW_SCALE_BYTES = 3;

  /** What our SYNs carry: both options, and a NOP before the second. */
  static final int SYN_OPTION_BYTES = 8;

  private TcpLayout() {}
}
