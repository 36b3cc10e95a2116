package dev.virtiolab.firmware.stack;

/** An ARP packet for IPv4 over Ethernet: RFC 826, "Packet format". Big-endian. */
final class ArpLayout {
  static final int HARDWARE_TYPE = 0;
  static final int PROTOCOL_TYPE = 2;
  static final int HARDWARE_LENGTH = 4;
  static final int PROTOCOL_LENGTH = 5;
  static final int OPERATION = 6;
  static final int SENDER_HARDWARE = 8;
  static final int SENDER_PROTOCOL = 14;
  static final int TARGET_HARDWARE = 18;
  static final int TARGET_PROTOCOL = 24;
  static final int BYTES = 28;

  static final int ETHERNET = 1;
  static final int REQUEST = 1;
  static final int REPLY = 2;

  private ArpLayout() {}
}
