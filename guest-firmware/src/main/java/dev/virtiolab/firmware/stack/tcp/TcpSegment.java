package dev.virtiolab.firmware.stack.tcp;

import dev.virtiolab.firmware.stack.bytes.InternetChecksum;
import dev.virtiolab.firmware.stack.bytes.NetworkBytes;
import java.lang.foreign.MemorySegment;

/** A view of a segment; see {@link TcpLayout}. */
final class TcpSegment {
  /** What {@link #windowScale()} says where there is no such option. */
  static final int NO_SCALE = -1;

  /** RFC 7323, 2.3: a larger shift counts as this one. */
  private static final int MAX_SCALE = 14;

  private static final int WORD_BYTES = 4;

  private MemorySegment bytes;
  private long at;
  private int header;
  private int length;
  private int maximumSegmentSize;
  private int windowScale;

  /** Looks at {@code length} bytes, if they have a header and their checksum is right. */
  boolean wrap(MemorySegment bytes, long at, int length, int source, int destination) {
    if (length < TcpLayout.HEADER_BYTES) {
      return false;
    }
    int offset = (NetworkBytes.u8(bytes, at + TcpLayout.DATA_OFFSET) >>> 4) * WORD_BYTES;
    if (offset < TcpLayout.HEADER_BYTES
        || offset > length
        || InternetChecksum.of(bytes, at, length, source, destination, TcpLayout.PROTOCOL) != 0) {
      return false;
    }
    this.bytes = bytes;
    this.at = at;
    this.length = length;
    header = offset;
    maximumSegmentSize = 0;
    windowScale = NO_SCALE;
    if (isSyn()) {
      readOptions();
    }
    return true;
  }

  /** RFC 9293, 3.2: unknown options are skipped by their length; one without a sane one ends it. */
  private void readOptions() {
    int next = TcpLayout.HEADER_BYTES;
    while (next < header) {
      int kind = NetworkBytes.u8(bytes, at + next);
      if (kind == TcpLayout.OPTION_END) {
        return;
      }
      if (kind == TcpLayout.OPTION_NOP) {
        next++;
        continue;
      }
      int size = next + 1 < header ? NetworkBytes.u8(bytes, at + next + 1) : 0;
      if (size < 2 || next + size > header) {
        return;
      }
      if (kind == TcpLayout.OPTION_MSS && size == TcpLayout.OPTION_MSS_BYTES) {
        maximumSegmentSize = NetworkBytes.u16(bytes, at + next + 2);
      } else if (kind == TcpLayout.OPTION_WINDOW_SCALE
          && size == TcpLayout.OPTION_WINDOW_SCALE_BYTES) {
        windowScale = Math.min(NetworkBytes.u8(bytes, at + next + 2), MAX_SCALE);
      }
      next += size;
    }
  }

  int sourcePort() {
    return NetworkBytes.u16(bytes, at + TcpLayout.SOURCE_PORT);
  }

  int destinationPort() {
    return NetworkBytes.u16(bytes, at + TcpLayout.DESTINATION_PORT);
  }

  int sequence() {
    return NetworkBytes.i32(bytes, at + TcpLayout.SEQUENCE);
  }

  int acknowledgment() {
    return NetworkBytes.i32(bytes, at + TcpLayout.ACKNOWLEDGMENT);
  }

  /** As the field has it, unscaled. */
  int window() {
    return NetworkBytes.u16(bytes, at + TcpLayout.WINDOW);
  }

  boolean isFin() {
    return has(TcpLayout.FIN);
  }

  boolean isSyn() {
    return has(TcpLayout.SYN);
  }

  boolean isRst() {
    return has(TcpLayout.RST);
  }

  boolean isAck() {
    return has(TcpLayout.ACK);
  }

  private boolean has(int flag) {
    return (NetworkBytes.u8(bytes, at + TcpLayout.FLAGS) & flag) != 0;
  }

  /** What a SYN's option says, in bytes of data; 0 where there is none. */
  int maximumSegmentSize() {
    return maximumSegmentSize;
  }

  /** The shift that a SYN's option says, 0 to 14, or {@link #NO_SCALE}. */
  int windowScale() {
    return windowScale;
  }

  MemorySegment bytes() {
    return bytes;
  }

  long dataOffset() {
    return at + header;
  }

  int dataLength() {
    return length - header;
  }

  /** The sequence numbers that it takes: its data, and one each for SYN and FIN. */
  int sequenceLength() {
    return dataLength() + (isSyn() ? 1 : 0) + (isFin() ? 1 : 0);
  }

  /**
   * Writes a header before data that is there already, and the checksum.
   *
   * @param optionBytes of options that are there already, a multiple of 4
   */
  static void put(
      MemorySegment bytes,
      int optionBytes,
      int dataBytes,
      int sourcePort,
      int destinationPort,
      int sequence,
      int acknowledgment,
      int flags,
      int window,
      int source,
      int destination) {
    int header = TcpLayout.HEADER_BYTES + optionBytes;
    NetworkBytes.putU16(bytes, TcpLayout.SOURCE_PORT, sourcePort);
    NetworkBytes.putU16(bytes, TcpLayout.DESTINATION_PORT, destinationPort);
    NetworkBytes.putI32(bytes, TcpLayout.SEQUENCE, sequence);
    NetworkBytes.putI32(bytes, TcpLayout.ACKNOWLEDGMENT, acknowledgment);
    NetworkBytes.putU8(bytes, TcpLayout.DATA_OFFSET, header / WORD_BYTES << 4);
    NetworkBytes.putU8(bytes, TcpLayout.FLAGS, flags);
    NetworkBytes.putU16(bytes, TcpLayout.WINDOW, window);
    NetworkBytes.putU16(bytes, TcpLayout.CHECKSUM, 0);
    NetworkBytes.putU16(bytes, TcpLayout.URGENT_POINTER, 0);
    int checksum =
        InternetChecksum.of(bytes, 0, header + dataBytes, source, destination, TcpLayout.PROTOCOL);
    NetworkBytes.putU16(bytes, TcpLayout.CHECKSUM, checksum);
  }

  /**
   * Writes the options of a SYN behind where its header goes.
   *
   * @param scale the shift to offer, or {@link #NO_SCALE}
   * @return their bytes
   */
  static int putSynOptions(MemorySegment bytes, int maximumSegmentSize, int scale) {
    int at = TcpLayout.HEADER_BYTES;
    NetworkBytes.putU8(bytes, at, TcpLayout.OPTION_MSS);
    NetworkBytes.putU8(bytes, at + 1, TcpLayout.OPTION_MSS_BYTES);
    NetworkBytes.putU16(bytes, at + 2, maximumSegmentSize);
    if (scale == NO_SCALE) {
      return TcpLayout.OPTION_MSS_BYTES;
    }
    NetworkBytes.putU8(bytes, at + 4, TcpLayout.OPTION_NOP);
    NetworkBytes.putU8(bytes, at + 5, TcpLayout.OPTION_WINDOW_SCALE);
    NetworkBytes.putU8(bytes, at + 6, TcpLayout.OPTION_WINDOW_SCALE_BYTES);
    NetworkBytes.putU8(bytes, at + 7, scale);
    return TcpLayout.SYN_OPTION_BYTES;
  }
}
