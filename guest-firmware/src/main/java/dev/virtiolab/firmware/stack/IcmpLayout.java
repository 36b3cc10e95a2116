package dev.virtiolab.firmware.stack;

/**
 * An ICMP message: RFC 792, "Echo or Echo Reply Message" and "Destination Unreachable Message",
 * with RFC 1191, section 4, which puts a next hop's MTU where echoes have their sequence number.
 * Big-endian.
 */
final class IcmpLayout {
  static final int TYPE = 0;
  static final int CODE = 1;
  static final int CHECKSUM = 2;
  static final int IDENTIFIER = 4;
  static final int SEQUENCE = 6;
  static final int HEADER_BYTES = 8;

  static final int ECHO_REPLY = 0;
  static final int UNREACHABLE = 3;
  static final int ECHO_REQUEST = 8;

  static final int CODE_PORT = 3;
  static final int CODE_TOO_LARGE = 4;

  private IcmpLayout() {}
}
