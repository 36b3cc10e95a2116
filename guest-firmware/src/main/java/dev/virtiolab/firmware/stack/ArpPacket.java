package dev.virtiolab.firmware.stack;

import dev.virtiolab.firmware.stack.bytes.NetworkBytes;
import java.lang.foreign.MemorySegment;

/** A view of an ARP packet; see {@link ArpLayout}. */
final class ArpPacket {
  private MemorySegment bytes;
  private long at;

  /**
   * Looks at {@code length} bytes, if they are ARP for IPv4 over Ethernet with a sender that one
   * station can be.
   */
  boolean wrap(MemorySegment bytes, long at, int length) {
    if (length < ArpLayout.BYTES
        || NetworkBytes.u16(bytes, at + ArpLayout.HARDWARE_TYPE) != ArpLayout.ETHERNET
        || NetworkBytes.u16(bytes, at + ArpLayout.PROTOCOL_TYPE) != EthernetLayout.TYPE_IPV4
        || NetworkBytes.u8(bytes, at + ArpLayout.HARDWARE_LENGTH) != EthernetLayout.ADDRESS_BYTES
        || NetworkBytes.u8(bytes, at + ArpLayout.PROTOCOL_LENGTH) != Integer.BYTES) {
      return false;
    }
    this.bytes = bytes;
    this.at = at;
    long sender = senderHardware();
    return sender != 0 && (sender & EthernetLayout.GROUP_BIT) == 0;
  }

  int operation() {
    return NetworkBytes.u16(bytes, at + ArpLayout.OPERATION);
  }

  long senderHardware() {
    return NetworkBytes.mac(bytes, at + ArpLayout.SENDER_HARDWARE);
  }

  int senderProtocol() {
    return NetworkBytes.i32(bytes, at + ArpLayout.SENDER_PROTOCOL);
  }

  int targetProtocol() {
    return NetworkBytes.i32(bytes, at + ArpLayout.TARGET_PROTOCOL);
  }

  static void put(
      MemorySegment bytes,
      long at,
      int operation,
      long senderHardware,
      int senderProtocol,
      long targetHardware,
      int targetProtocol) {
    NetworkBytes.putU16(bytes, at + ArpLayout.HARDWARE_TYPE, ArpLayout.ETHERNET);
    NetworkBytes.putU16(bytes, at + ArpLayout.PROTOCOL_TYPE, EthernetLayout.TYPE_IPV4);
    NetworkBytes.putU8(bytes, at + ArpLayout.HARDWARE_LENGTH, EthernetLayout.ADDRESS_BYTES);
    NetworkBytes.putU8(bytes, at + ArpLayout.PROTOCOL_LENGTH, Integer.BYTES);
    NetworkBytes.putU16(bytes, at + ArpLayout.OPERATION, operation);
    NetworkBytes.putMac(bytes, at + ArpLayout.SENDER_HARDWARE, senderHardware);
    NetworkBytes.putI32(bytes, at + ArpLayout.SENDER_PROTOCOL, senderProtocol);
    NetworkBytes.putMac(bytes, at + ArpLayout.TARGET_HARDWARE, targetHardware);
    NetworkBytes.putI32(bytes, at + ArpLayout.TARGET_PROTOCOL, targetProtocol);
  }
}
