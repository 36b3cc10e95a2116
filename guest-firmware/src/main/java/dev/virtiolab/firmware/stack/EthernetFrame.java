package dev.virtiolab.firmware.stack;

import dev.virtiolab.firmware.stack.bytes.NetworkBytes;
import java.lang.foreign.MemorySegment;

/** A view of a frame; see {@link EthernetLayout}. */
final class EthernetFrame {
  private MemorySegment bytes;
  private int length;

  /** Looks at the first {@code length} bytes, if they can be a frame from one station. */
  boolean wrap(MemorySegment bytes, int length) {
    if (length < EthernetLayout.HEADER_BYTES || length > bytes.byteSize()) {
      return false;
    }
    this.bytes = bytes;
    this.length = length;
    return (source() & EthernetLayout.GROUP_BIT) == 0;
  }

  long destination() {
    return NetworkBytes.mac(bytes, EthernetLayout.DESTINATION);
  }

  long source() {
    return NetworkBytes.mac(bytes, EthernetLayout.SOURCE);
  }

  int type() {
    return NetworkBytes.u16(bytes, EthernetLayout.TYPE);
  }

  int payloadOffset() {
    return EthernetLayout.HEADER_BYTES;
  }

  /** Bytes after the header, padding included. */
  int payloadLength() {
    return length - EthernetLayout.HEADER_BYTES;
  }

  static void put(MemorySegment frame, long destination, long source, int type) {
    NetworkBytes.putMac(frame, EthernetLayout.DESTINATION, destination);
    NetworkBytes.putMac(frame, EthernetLayout.SOURCE, source);
    NetworkBytes.putU16(frame, EthernetLayout.TYPE, type);
  }
}
