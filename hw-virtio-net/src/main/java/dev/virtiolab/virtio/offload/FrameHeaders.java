package dev.virtiolab.virtio.offload;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Where the headers of a frame are: Ethernet with up to two tags, IPv4 or IPv6, TCP or UDP; or
 * those of what a tunnel carries, from IP on. Each length that a header names is checked against
 * the frame before it is used.
 */
final class FrameHeaders {
  static final int TCP = 6;
  static final int UDP = 17;
  static final int UDP_HEADER_BYTES = 8;
  static final int IPV6_HEADER_BYTES = 40;

  private static final ValueLayout.OfShort BE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  private static final int ETHERNET_TYPE = 12;
  private static final int ETHERNET_HEADER_BYTES = 14;
  private static final int TAG_BYTES = 4;
  private static final int MAX_TAGS = 2;
  private static final int TYPE_IPV4 = 0x0800;
  private static final int TYPE_IPV6 = 0x86dd;
  private static final int TYPE_VLAN = 0x8100;
  private static final int TYPE_SERVICE_VLAN = 0x88a8;

  private static final int IPV4_HEADER_BYTES = 20;
  private static final int IPV4_FRAGMENT = 6;
  private static final int IPV4_PROTOCOL = 9;
  private static final int FRAGMENT_BITS = 0x3fff; // MF, and an offset

  private static final int IPV6_NEXT_HEADER = 6;
  private static final int HOP_BY_HOP = 0;
  private static final int ROUTING = 43;
  private static final int DESTINATION_OPTIONS = 60;

  /** Extension headers that are looked at. */
  private static final int MAX_EXTENSIONS = 8;

  private static final int TCP_HEADER_BYTES = 20;
  private static final int TCP_DATA_OFFSET = 12;

  private int version;
  private int network;
  private int transport;
  private int protocol;
  private int protocolAt;
  private int payload;

  /** 4 or 6. */
  int version() {
    return version;
  }

  /** Offset of the IP header in the frame. */
  int network() {
    return network;
  }

  /** Offset of the TCP or UDP header in the frame. */
  int transport() {
    return transport;
  }

  /** {@link #TCP} or {@link #UDP}. */
  int protocol() {
    return protocol;
  }

  /** Offset of the byte that names the protocol: in IPv6 the last extension header may hold it. */
  int protocolAt() {
    return protocolAt;
  }

  /** Offset of the first byte behind the TCP or UDP header. */
  int payload() {
    return payload;
  }

  /** Finds the headers; false if the frame is no TCP or UDP that is all there, or a fragment. */
  boolean find(MemorySegment frame, long offset, int length) {
    int at = ETHERNET_TYPE;
    if (length < ETHERNET_HEADER_BYTES) {
      return false;
    }
    int type = u16(frame, offset + at);
    for (int tags = 0; type == TYPE_VLAN || type == TYPE_SERVICE_VLAN; tags++) {
      at += TAG_BYTES;
      if (tags == MAX_TAGS || at + Short.BYTES > length) {
        return false;
      }
      type = u16(frame, offset + at);
    }
    network = at + Short.BYTES;
    return switch (type) {
      case TYPE_IPV4 -> findInIpv4(frame, offset, length);
      case TYPE_IPV6 -> findInIpv6(frame, offset, length);
      default -> false;
    };
  }

  /** Likewise, beginning with the IP header at {@code at}, wherever that is said to be. */
  boolean findFrom(MemorySegment frame, long offset, int length, int at) {
    network = at;
    if (at >= length) {
      return false;
    }
    return u8(frame, offset + at) >>> 4 == 4
        ? findInIpv4(frame, offset, length)
        : findInIpv6(frame, offset, length);
  }

  private boolean findInIpv4(MemorySegment frame, long offset, int length) {
    version = 4;
    if (network + IPV4_HEADER_BYTES > length) {
      return false;
    }
    int first = u8(frame, offset + network);
    int headerBytes = (first & 0xf) * 4;
    if (first >>> 4 != 4
        || headerBytes < IPV4_HEADER_BYTES
        || (u16(frame, offset + network + IPV4_FRAGMENT) & FRAGMENT_BITS) != 0) {
      return false;
    }
    transport = network + headerBytes;
    protocolAt = network + IPV4_PROTOCOL;
    protocol = u8(frame, offset + protocolAt);
    return findPayload(frame, offset, length);
  }

  private boolean findInIpv6(MemorySegment frame, long offset, int length) {
    version = 6;
    if (network + IPV6_HEADER_BYTES > length || u8(frame, offset + network) >>> 4 != 6) {
      return false;
    }
    transport = network + IPV6_HEADER_BYTES;
    protocolAt = network + IPV6_NEXT_HEADER;
    protocol = u8(frame, offset + protocolAt);
    for (int i = 0; isExtension(protocol); i++) {
      if (i == MAX_EXTENSIONS || transport + 8 > length) {
        return false;
      }
      protocolAt = transport;
      protocol = u8(frame, offset + transport);
      transport += 8 * (1 + u8(frame, offset + transport + 1));
    }
    return findPayload(frame, offset, length);
  }

  private static boolean isExtension(int protocol) {
    return protocol == HOP_BY_HOP || protocol == ROUTING || protocol == DESTINATION_OPTIONS;
  }

  private boolean findPayload(MemorySegment frame, long offset, int length) {
    int headerBytes;
    if (protocol == TCP) {
      if (transport + TCP_HEADER_BYTES > length) {
        return false;
      }
      headerBytes = (u8(frame, offset + transport + TCP_DATA_OFFSET) >>> 4) * 4;
      if (headerBytes < TCP_HEADER_BYTES) {
        return false;
      }
    } else if (protocol == UDP) {
      headerBytes = UDP_HEADER_BYTES;
    } else {
      return false;
    }
    payload = transport + headerBytes;
    return payload <= length;
  }

  private static int u8(MemorySegment frame, long at) {
    return frame.get(ValueLayout.JAVA_BYTE, at) & 0xff;
  }

  private static int u16(MemorySegment frame, long at) {
    return frame.get(BE16, at) & 0xffff;
  }
}
