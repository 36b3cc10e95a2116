package dev.virtiolab.lab.segment;

import dev.virtiolab.net.fault.Direction;
import dev.virtiolab.net.fault.Fault;
import dev.virtiolab.net.fault.FaultObserver;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads out of the frames that a fault drops which echo requests and replies they were (RFC 792,
 * "Echo or Echo Reply Message"). The device's thread writes; any may read.
 */
final class LostPings implements FaultObserver {
  /** Sequence numbers that are kept of each kind. */
  static final int CAPACITY = 10_000;

  private static final ValueLayout.OfShort BE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  // Of an Ethernet frame without a tag.
  private static final int ETHERTYPE = 12;
  private static final short ETHERTYPE_IPV4 = 0x0800;
  private static final int IP = 14;
  private static final int IP_HEADER_BYTES = 20;

  // RFC 791, 3.1 "Internet Header Format".
  private static final int IP_FRAGMENT = 6;
  private static final int IP_FRAGMENT_OFFSET_MASK = 0x1fff;
  private static final int IP_PROTOCOL = 9;
  private static final byte PROTOCOL_ICMP = 1;

  private static final int ICMP_SEQUENCE = 6;
  private static final int ICMP_ECHO_BYTES = 8;
  private static final byte ECHO_REQUEST = 8;
  private static final byte ECHO_REPLY = 0;

  private final Numbers requests = new Numbers();
  private final Numbers replies = new Numbers();

  /** Grows by one at a time, up to what it has room for. */
  private static final class Numbers {
    private final short[] numbers = new short[CAPACITY];
    private volatile int size;

    void add(short number) {
      int at = size;
      if (at < CAPACITY) {
        numbers[at] = number;
        size = at + 1; // volatile: the number, to who reads the size
      }
    }

    List<Integer> toList() {
      List<Integer> list = new ArrayList<>();
      int count = size;
      for (int i = 0; i < count; i++) {
        list.add(Short.toUnsignedInt(numbers[i]));
      }
      return list;
    }
  }

  /** Sequence numbers of requests that were dropped, in the order in which they were. */
  List<Integer> requests() {
    return requests.toList();
  }

  /** Likewise of replies. */
  List<Integer> replies() {
    return replies.toList();
  }

  @Override
  public void befell(
      Direction direction, long number, Fault fault, MemorySegment frame, long at, int length) {
    if (!fault.isDrop()
        || length < IP + IP_HEADER_BYTES + ICMP_ECHO_BYTES
        || frame.get(BE16, at + ETHERTYPE) != ETHERTYPE_IPV4
        || frame.get(ValueLayout.JAVA_BYTE, at + IP + IP_PROTOCOL) != PROTOCOL_ICMP
        || (frame.get(BE16, at + IP + IP_FRAGMENT) & IP_FRAGMENT_OFFSET_MASK) != 0) {
      return;
    }
    int icmp = IP + Integer.BYTES * (frame.get(ValueLayout.JAVA_BYTE, at + IP) & 0xf);
    if (length < icmp + ICMP_ECHO_BYTES) {
      return;
    }
    short sequence = frame.get(BE16, at + icmp + ICMP_SEQUENCE);
    switch (frame.get(ValueLayout.JAVA_BYTE, at + icmp)) {
      case ECHO_REQUEST -> requests.add(sequence);
      case ECHO_REPLY -> replies.add(sequence);
      default -> {
        // Some other message.
      }
    }
  }
}
