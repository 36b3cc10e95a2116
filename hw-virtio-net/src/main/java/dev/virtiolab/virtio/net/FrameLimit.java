package dev.virtiolab.virtio.net;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The longest frame that the negotiated MTU allows, either way: "mtu plus low level ethernet header
 * length" (virtio v1.4, 5.1.4.1), where a VLAN tag belongs to the header.
 */
final class FrameLimit {
  private static final ValueLayout.OfShort BE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  private static final int ETHERNET_HEADER_BYTES = 14;
  private static final int ETHERTYPE_OFFSET = 12;
  private static final short ETHERTYPE_VLAN = (short) 0x8100;
  private static final short ETHERTYPE_SERVICE_VLAN = (short) 0x88a8;
  private static final int VLAN_TAG_BYTES = 4;

  /** Where no MTU was negotiated; leaves room for a tag. */
  private static final int NO_LIMIT = Integer.MAX_VALUE - VLAN_TAG_BYTES;

  /** Without a tag. */
  private int longest = NO_LIMIT;

  /**
   * @param bytes of payload
   */
  void mtu(int bytes) {
    longest = bytes + ETHERNET_HEADER_BYTES;
  }

  void none() {
    longest = NO_LIMIT;
  }

  /** Whether a frame of {@code length} is too long, tagged or not. */
  boolean isOver(int length) {
    return length > longest + VLAN_TAG_BYTES;
  }

  /** Whether a frame is too long. */
  boolean isOver(int length, MemorySegment frame, long at) {
    if (length <= longest) {
      return false;
    }
    short type = frame.get(BE16, at + ETHERTYPE_OFFSET);
    boolean tagged = type == ETHERTYPE_VLAN || type == ETHERTYPE_SERVICE_VLAN;
    return length > longest + (tagged ? VLAN_TAG_BYTES : 0);
  }
}
