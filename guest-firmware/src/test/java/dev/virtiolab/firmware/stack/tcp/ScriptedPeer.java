package dev.virtiolab.firmware.stack.tcp;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.stack.Ipv4Address;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A peer that says what a test wants, in frames made by hand from the RFCs' pictures and taken
 * apart likewise, without the code under test.
 */
final class ScriptedPeer {
  static final int FIN = 1;
  static final int SYN = 2;
  static final int RST = 4;
  static final int PSH = 8;
  static final int ACK = 16;

  static final long GUEST_MAC = 0x525400123456L;
  static final long PEER_MAC = 0x020000000001L;
  static final int GUEST = 0x0a000002;
  static final int PEER = 0x0a000001;
  static final int PEER_PORT = 4000;
  static final int GUEST_PORT = 80;

  /** The peer's initial sequence number. */
  static final int ISN = 1000;

  /** A segment, as it is in the frame. */
  record Segment(
      int sourcePort,
      int destinationPort,
      int sequence,
      int acknowledgment,
      int flags,
      int window,
      byte[] options,
      byte[] data,
      boolean dontFragment) {

    boolean has(int flag) {
      return (flags & flag) == flag;
    }

    boolean is(int all) {
      return (flags & ~PSH) == all;
    }
  }

  final VirtualClock clock = new VirtualClock();
  final TcpHost host = new TcpHost(clock, GUEST_MAC, "10.0.0.2", 7);
  int guestPort = GUEST_PORT;

  /** Learns where the peer is, so that nothing waits for that. */
  ScriptedPeer() {
    host.snp.deliver(arpRequest());
    host.turn();
    host.snp.takeSent();
  }

  static byte[] arpRequest() {
    return ByteBuffer.allocate(42)
        .putLong(0xffffffffffffL << 16 | PEER_MAC >>> 32)
        .putInt((int) PEER_MAC)
        .putShort((short) 0x0806)
        .putLong(0x0001_0800_06_04_0001L)
        .putShort((short) (PEER_MAC >>> 32))
        .putInt((int) PEER_MAC)
        .putInt(PEER)
        .putShort((short) 0)
        .putInt(0)
        .putInt(GUEST)
        .array();
  }

  /** A frame from the peer to the guest with a segment in it. */
  byte[] frame(
      int flags, int sequence, int acknowledgment, int window, byte[] options, byte[] data) {
    byte[] segment =
        ByteBuffer.allocate(20 + options.length + data.length)
            .putShort((short) PEER_PORT)
            .putShort((short) guestPort)
            .putInt(sequence)
            .putInt(acknowledgment)
            .put((byte) (5 + options.length / 4 << 4))
            .put((byte) flags)
            .putShort((short) window)
            .putInt(0)
            .put(options)
            .put(data)
            .array();
    return ipv4(6, withChecksum(segment, 6, 16));
  }

  /** Puts the checksum in, pseudo header included: RFC 9293, 3.1. */
  static byte[] withChecksum(byte[] segment, int protocol, int at) {
    byte[] summed =
        ByteBuffer.allocate(12 + segment.length)
            .putInt(PEER)
            .putInt(GUEST)
            .putShort((short) protocol)
            .putShort((short) segment.length)
            .put(segment)
            .array();
    ByteBuffer.wrap(segment).putShort(at, (short) checksum(summed));
    return segment;
  }

  static byte[] ipv4(int protocol, byte[] payload) {
    byte[] header =
        ByteBuffer.allocate(20)
            .putShort((short) 0x4500)
            .putShort((short) (20 + payload.length))
            .putInt(0)
            .put((byte) 64)
            .put((byte) protocol)
            .putShort((short) 0)
            .putInt(PEER)
            .putInt(GUEST)
            .array();
    ByteBuffer.wrap(header).putShort(10, (short) checksum(header));
    return ByteBuffer.allocate(34 + payload.length)
        .putLong(GUEST_MAC << 16 | PEER_MAC >>> 32)
        .putInt((int) PEER_MAC)
        .putShort((short) 0x0800)
        .put(header)
        .put(payload)
        .array();
  }

  static int checksum(byte[] bytes) {
    int sum = 0;
    for (int i = 0; i < bytes.length; i += 2) {
      int low = i + 1 < bytes.length ? bytes[i + 1] & 0xff : 0;
      sum += (bytes[i] & 0xff) << 8 | low;
      sum = (sum & 0xffff) + (sum >>> 16);
    }
    return ~sum & 0xffff;
  }

  /** What the guest has sent, taken apart; every header is checked. */
  List<Segment> taken() {
    host.turn();
    List<Segment> segments = new ArrayList<>();
    for (byte[] frame : host.snp.takeSent()) {
      ByteBuffer in = ByteBuffer.wrap(frame);
      if (in.getShort(12) != 0x0800 || in.get(23) != 6) {
        continue;
      }
      assertEquals(0, checksum(Arrays.copyOfRange(frame, 14, 34)));
      assertEquals(frame.length - 14, in.getShort(16) & 0xffff);
      byte[] summed =
          ByteBuffer.allocate(12 + frame.length - 34)
              .putInt(GUEST)
              .putInt(PEER)
              .putShort((short) 6)
              .putShort((short) (frame.length - 34))
              .put(frame, 34, frame.length - 34)
              .array();
      assertEquals(0, checksum(summed));
      int header = (in.get(46) >> 4 & 0xf) * 4;
      segments.add(
          new Segment(
              in.getShort(34) & 0xffff,
              in.getShort(36) & 0xffff,
              in.getInt(38),
              in.getInt(42),
              in.get(47) & 0xff,
              in.getShort(48) & 0xffff,
              Arrays.copyOfRange(frame, 54, 34 + header),
              Arrays.copyOfRange(frame, 34 + header, frame.length),
              (in.getShort(20) & 0x4000) != 0));
    }
    return segments;
  }

  Segment one() {
    List<Segment> segments = taken();
    assertEquals(1, segments.size(), segments::toString);
    return segments.get(0);
  }

  void none() {
    assertEquals(List.of(), taken());
  }

  ScriptedPeer say(int flags, int sequence, int acknowledgment, byte... data) {
    return sayWindow(flags, sequence, acknowledgment, 0xffff, data);
  }

  ScriptedPeer sayWindow(int flags, int sequence, int acknowledgment, int window, byte... data) {
    host.snp.deliver(frame(flags, sequence, acknowledgment, window, new byte[0], data));
    return this;
  }

  ScriptedPeer sayOptions(int flags, int sequence, int acknowledgment, int... options) {
    byte[] bytes = new byte[options.length];
    for (int i = 0; i < options.length; i++) {
      bytes[i] = (byte) options[i];
    }
    host.snp.deliver(frame(flags, sequence, acknowledgment, 0xffff, bytes, new byte[0]));
    return this;
  }

  /** Lets time pass in steps of 10 ms, and gives what was sent meanwhile. */
  List<Segment> pass(long nanos) {
    List<Segment> segments = new ArrayList<>();
    for (long step = 0; step < nanos; step += 10_000_000) {
      clock.advance(10_000_000);
      segments.addAll(taken());
    }
    return segments;
  }

  TcpConnection connect() {
    TcpConnection connection = host.tcp.connect(new Ipv4Address(PEER), PEER_PORT);
    guestPort = connection.localPort();
    return connection;
  }

  /** A connection that the guest has opened; the peer has {@link #ISN}, its MSS is 1460. */
  TcpConnection established() {
    TcpConnection connection = connect();
    int isn = one().sequence();
    sayOptions(SYN | ACK, ISN, isn + 1, 2, 4, 1460 >> 8, 1460 & 0xff);
    assertEquals(ACK, one().flags());
    assertEquals(TcpState.ESTABLISHED, connection.state());
    return connection;
  }
}
