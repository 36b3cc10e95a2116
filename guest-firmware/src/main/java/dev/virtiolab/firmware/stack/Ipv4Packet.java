package dev.virtiolab.firmware.stack;

import dev.virtiolab.firmware.stack.bytes.InternetChecksum;
import dev.virtiolab.firmware.stack.bytes.NetworkBytes;
import java.lang.foreign.MemorySegment;

/** A view of an IPv4 packet; see {@link Ipv4Layout}. */
final class Ipv4Packet {
  private static final int WORD_BYTES = 4;

  private MemorySegment bytes;
  private long at;
  private int headerLength;
  private int totalLength;
  private int presentLength;

  /**
   * Looks at a packet in {@code length} bytes, if version, lengths and header checksum are right.
   * What follows the packet is padding.
   */
  boolean wrap(MemorySegment bytes, long at, int length) {
    if (length < Ipv4Layout.HEADER_BYTES) {
      return false;
    }
    int first = NetworkBytes.u8(bytes, at + Ipv4Layout.VERSION_AND_HEADER_LENGTH);
    int header = (first & 0xf) * WORD_BYTES;
    int total = NetworkBytes.u16(bytes, at + Ipv4Layout.TOTAL_LENGTH);
    if (first >>> 4 != Ipv4Layout.VERSION
        || header < Ipv4Layout.HEADER_BYTES
        || header > total
        || total > length
        || InternetChecksum.of(bytes, at, header) != 0) {
      return false;
    }
    this.bytes = bytes;
    this.at = at;
    headerLength = header;
    totalLength = total;
    presentLength = total;
    return true;
  }

  /**
   * Looks at the start of a packet of ours that somebody sends back: there is less of it than its
   * header says, and routers have changed the header, so that its checksum says nothing.
   */
  boolean wrapQuoted(MemorySegment bytes, long at, int length) {
    if (length < Ipv4Layout.HEADER_BYTES) {
      return false;
    }
    int first = NetworkBytes.u8(bytes, at + Ipv4Layout.VERSION_AND_HEADER_LENGTH);
    int header = (first & 0xf) * WORD_BYTES;
    int total = NetworkBytes.u16(bytes, at + Ipv4Layout.TOTAL_LENGTH);
    if (first >>> 4 != Ipv4Layout.VERSION
        || header < Ipv4Layout.HEADER_BYTES
        || header > length
        || header > total) {
      return false;
    }
    this.bytes = bytes;
    this.at = at;
    headerLength = header;
    totalLength = total;
    presentLength = Math.min(total, length);
    return true;
  }

  MemorySegment bytes() {
    return bytes;
  }

  int headerLength() {
    return headerLength;
  }

  /** How much of the payload of a packet that was sent back is there, in bytes. */
  int quotedLength() {
    return presentLength - headerLength;
  }

  int identification() {
    return NetworkBytes.u16(bytes, at + Ipv4Layout.IDENTIFICATION);
  }

  boolean moreFragments() {
    return (flagsAndOffset() & Ipv4Layout.MORE_FRAGMENTS) != 0;
  }

  /** Where the payload belongs in the whole datagram's, in bytes. */
  int fragmentOffset() {
    return (flagsAndOffset() & Ipv4Layout.OFFSET_MASK) * Ipv4Layout.UNIT_BYTES;
  }

  boolean isFragment() {
    return (flagsAndOffset() & (Ipv4Layout.MORE_FRAGMENTS | Ipv4Layout.OFFSET_MASK)) != 0;
  }

  int timeToLive() {
    return NetworkBytes.u8(bytes, at + Ipv4Layout.TIME_TO_LIVE);
  }

  int protocol() {
    return NetworkBytes.u8(bytes, at + Ipv4Layout.PROTOCOL);
  }

  int source() {
    return NetworkBytes.i32(bytes, at + Ipv4Layout.SOURCE);
  }

  int destination() {
    return NetworkBytes.i32(bytes, at + Ipv4Layout.DESTINATION);
  }

  long payloadOffset() {
    return at + headerLength;
  }

  /** Bytes after header and options, without padding. */
  int payloadLength() {
    return totalLength - headerLength;
  }

  private int flagsAndOffset() {
    return NetworkBytes.u16(bytes, at + Ipv4Layout.FLAGS_AND_OFFSET);
  }

  /**
   * Writes a header without options, its checksum included.
   *
   * @param flagsAndOffset as the field has it
   */
  static void put(
      MemorySegment bytes,
      long at,
      int payloadLength,
      int identification,
      int flagsAndOffset,
      int timeToLive,
      int protocol,
      int source,
      int destination) {
    int words = Ipv4Layout.HEADER_BYTES / WORD_BYTES;
    NetworkBytes.putU8(
        bytes, at + Ipv4Layout.VERSION_AND_HEADER_LENGTH, Ipv4Layout.VERSION << 4 | words);
    NetworkBytes.putU8(bytes, at + Ipv4Layout.TYPE_OF_SERVICE, 0);
    NetworkBytes.putU16(
        bytes, at + Ipv4Layout.TOTAL_LENGTH, Ipv4Layout.HEADER_BYTES + payloadLength);
    NetworkBytes.putU16(bytes, at + Ipv4Layout.IDENTIFICATION, identification);
    NetworkBytes.putU16(bytes, at + Ipv4Layout.FLAGS_AND_OFFSET, flagsAndOffset);
    NetworkBytes.putU8(bytes, at + Ipv4Layout.TIME_TO_LIVE, timeToLive);
    NetworkBytes.putU8(bytes, at + Ipv4Layout.PROTOCOL, protocol);
    NetworkBytes.putU16(bytes, at + Ipv4Layout.HEADER_CHECKSUM, 0);
    NetworkBytes.putI32(bytes, at + Ipv4Layout.SOURCE, source);
    NetworkBytes.putI32(bytes, at + Ipv4Layout.DESTINATION, destination);
    NetworkBytes.putU16(
        bytes,
        at + Ipv4Layout.HEADER_CHECKSUM,
        InternetChecksum.of(bytes, at, Ipv4Layout.HEADER_BYTES));
  }
}
