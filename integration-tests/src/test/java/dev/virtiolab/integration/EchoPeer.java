package dev.virtiolab.integration;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.net.NetBackend;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;

/**
 * A host at the far end of a guest's wire that sends the same echo request over and over. It
 * answers nothing; the guest learns its address from its question.
 */
final class EchoPeer {
  private static final long MAC = 0x02_00_00_00_00_01L;
  private static final long BROADCAST = 0xffff_ffff_ffffL;
  private static final int ETHERNET_BYTES = 14;
  private static final int IPV4_BYTES = 20;
  private static final int ICMP_BYTES = 8;
  private static final int FRAME_TYPE = 12;
  private static final int IPV4_PROTOCOL = ETHERNET_BYTES + 9;
  private static final int ICMP_TYPE = ETHERNET_BYTES + IPV4_BYTES;
  private static final short TYPE_ARP = 0x0806;
  private static final short TYPE_IPV4 = 0x0800;
  private static final byte PROTOCOL_ICMP = 1;
  private static final byte ECHO_REQUEST = 8;
  private static final byte ECHO_REPLY = 0;

  private final NetBackend wire;
  private final MemorySegment question;
  private final MemorySegment request;

  /**
   * @param guestMac where the guest is
   * @param dataBytes of each request, such that it fits into one frame
   */
  EchoPeer(NetBackend wire, long guestMac, Ipv4Address self, Ipv4Address guest, int dataBytes) {
    this.wire = wire;
    this.question = MemorySegment.ofArray(question(self, guest));
    this.request = MemorySegment.ofArray(request(guestMac, self, guest, dataBytes));
  }

  private static byte[] question(Ipv4Address self, Ipv4Address guest) {
    ByteBuffer frame = ethernet(BROADCAST, TYPE_ARP, 28);
    frame.putShort((short) 1).putShort(TYPE_IPV4).put((byte) 6).put((byte) 4).putShort((short) 1);
    putMac(frame, MAC).putInt(self.bits());
    putMac(frame, 0).putInt(guest.bits());
    return frame.array();
  }

  private static byte[] request(long mac, Ipv4Address self, Ipv4Address guest, int dataBytes) {
    int bytes = IPV4_BYTES + ICMP_BYTES + dataBytes;
    ByteBuffer frame = ethernet(mac, TYPE_IPV4, bytes);
    frame.putShort((short) 0x4500).putShort((short) bytes).putInt(0);
    frame.put((byte) 64).put(PROTOCOL_ICMP).putShort((short) 0);
    frame.putInt(self.bits()).putInt(guest.bits());
    frame.put(ECHO_REQUEST).put((byte) 0).putShort((short) 0).putInt(0x0007_0001);
    while (frame.hasRemaining()) {
      frame.put((byte) frame.position());
    }
    frame.putShort(ETHERNET_BYTES + 10, checksum(frame, ETHERNET_BYTES, IPV4_BYTES));
    frame.putShort(ICMP_TYPE + 2, checksum(frame, ICMP_TYPE, ICMP_BYTES + dataBytes));
    return frame.array();
  }

  private static ByteBuffer ethernet(long destination, short type, int payload) {
    ByteBuffer frame = ByteBuffer.allocate(ETHERNET_BYTES + payload);
    return putMac(putMac(frame, destination), MAC).putShort(type);
  }

  private static ByteBuffer putMac(ByteBuffer frame, long mac) {
    return frame.putShort((short) (mac >>> 32)).putInt((int) mac);
  }

  /** RFC 1071. */
  private static short checksum(ByteBuffer bytes, int from, int length) {
    int sum = 0;
    for (int i = 0; i < length; i++) {
      int octet = bytes.get(from + i) & 0xff;
      sum += (i & 1) == 0 ? octet << 8 : octet;
    }
    sum = (sum & 0xffff) + (sum >>> 16);
    sum = (sum & 0xffff) + (sum >>> 16);
    return (short) ~sum;
  }

  /** Asks for the guest's address, so that the guest knows ours. */
  void introduce() {
    send(question);
  }

  /**
   * Puts as many requests on the wire as it takes.
   *
   * @param most at most so many
   * @return how many
   */
  int ask(int most) {
    int sent = 0;
    while (sent < most && send(request)) {
      sent++;
    }
    return sent;
  }

  private boolean send(MemorySegment frame) {
    int length = (int) frame.byteSize();
    if (!wire.claim(length)) {
      return false;
    }
    MemorySegment.copy(frame, 0, wire.claimed(), wire.claimedOffset(), length);
    wire.commit();
    wire.flush();
    return true;
  }

  /** Takes what the guest sent off the wire, and counts the echo replies in it. */
  int replies() {
    int replies = 0;
    for (int length = wire.peek(); length > 0; length = wire.peek()) {
      if (length == request.byteSize()
          && (octet(FRAME_TYPE) << 8 | octet(FRAME_TYPE + 1)) == TYPE_IPV4
          && octet(IPV4_PROTOCOL) == PROTOCOL_ICMP
          && octet(ICMP_TYPE) == ECHO_REPLY) {
        replies++;
      }
      wire.release();
    }
    return replies;
  }

  private int octet(int at) {
    return wire.peeked().get(ValueLayout.JAVA_BYTE, wire.peekedOffset() + at) & 0xff;
  }
}
