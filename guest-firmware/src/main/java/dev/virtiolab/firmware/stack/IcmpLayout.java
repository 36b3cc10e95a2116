package dev.virtiolab.firmware.stack;

/** An ICMP echo message: RFC 792, "Echo or Echo Reply Message". Big-endian. */
final class IcmpLayout {
  static final int TYPE = 0;
  static final int CODE = 1;
  static final int CHECKSUM = 2;
  static final int IDENTIFIER = 4;
  static final int SEQUENCE = 6;
  static final int HEADER_BYTES = 8;

  static final int ECHO_REPLY = 0;
  static final int ECHO_REQUEST = 8;

  private IcmpLayout() {}
}
