package dev.virtiolab.firmware.stack;

import dev.virtiolab.firmware.stack.bytes.InternetChecksum;
import dev.virtiolab.firmware.stack.bytes.NetworkBytes;
import java.lang.foreign.MemorySegment;

/** A view of an ICMP message; see {@link IcmpLayout}. */
final class IcmpMessage {
  private MemorySegment bytes;
  private long at;
  private int length;

  /** Looks at {@code length} bytes, if they have a header and their checksum is right. */
  boolean wrap(MemorySegment bytes, long at, int length) {
    if (length < IcmpLayout.HEADER_BYTES || InternetChecksum.of(bytes, at, length) != 0) {
      return false;
    }
    this.bytes = bytes;
    this.at = at;
    this.length = length;
    return true;
  }

  int type() {
    return NetworkBytes.u8(bytes, at + IcmpLayout.TYPE);
  }

  int code() {
    return NetworkBytes.u8(bytes, at + IcmpLayout.CODE);
  }

  int identifier() {
    return NetworkBytes.u16(bytes, at + IcmpLayout.IDENTIFIER);
  }

  int sequence() {
    return NetworkBytes.u16(bytes, at + IcmpLayout.SEQUENCE);
  }

  MemorySegment bytes() {
    return bytes;
  }

  long dataOffset() {
    return at + IcmpLayout.HEADER_BYTES;
  }

  int dataLength() {
    return length - IcmpLayout.HEADER_BYTES;
  }

  /** Writes "Destination Unreachable" before {@code quoteLength} bytes that are there already. */
  static void putUnreachable(MemorySegment bytes, long at, int code, int quoteLength) {
    NetworkBytes.putU8(bytes, at + IcmpLayout.TYPE, IcmpLayout.UNREACHABLE);
    NetworkBytes.putU8(bytes, at + IcmpLayout.CODE, code);
    NetworkBytes.putU16(bytes, at + IcmpLayout.CHECKSUM, 0);
    NetworkBytes.putI32(bytes, at + IcmpLayout.IDENTIFIER, 0);
    int checksum = InternetChecksum.of(bytes, at, IcmpLayout.HEADER_BYTES + quoteLength);
    NetworkBytes.putU16(bytes, at + IcmpLayout.CHECKSUM, checksum);
  }

  /** Writes the header before {@code dataLength} bytes that are there already, and the checksum. */
  static void putEcho(
      MemorySegment bytes, long at, int type, int identifier, int sequence, int dataLength) {
    NetworkBytes.putU8(bytes, at + IcmpLayout.TYPE, type);
    NetworkBytes.putU8(bytes, at + IcmpLayout.CODE, 0);
    NetworkBytes.putU16(bytes, at + IcmpLayout.CHECKSUM, 0);
    NetworkBytes.putU16(bytes, at + IcmpLayout.IDENTIFIER, identifier);
    NetworkBytes.putU16(bytes, at + IcmpLayout.SEQUENCE, sequence);
    int checksum = InternetChecksum.of(bytes, at, IcmpLayout.HEADER_BYTES + dataLength);
    NetworkBytes.putU16(bytes, at + IcmpLayout.CHECKSUM, checksum);
  }
}
