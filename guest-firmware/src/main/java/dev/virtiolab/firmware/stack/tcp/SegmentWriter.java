package dev.virtiolab.firmware.stack.tcp;

import dev.virtiolab.firmware.stack.IpSender;
import dev.virtiolab.firmware.stack.StackCounter;
import dev.virtiolab.firmware.stack.StackCounters;
import dev.virtiolab.firmware.stack.bytes.ByteRing;

/** Puts segments together and hands them to IPv4. */
final class SegmentWriter {
  /** Of IPv4 and TCP, without options. */
  static final int HEADER_BYTES = 40;

  private final IpSender ip;
  private final StackCounters counters;

  SegmentWriter(IpSender ip, StackCounters counters) {
    this.ip = ip;
    this.counters = counters;
  }

  /** The largest segment that the link takes whole, in bytes of data. */
  int maximumSegmentSize() {
    return ip.mtu() - HEADER_BYTES;
  }

  int address() {
    return ip.address();
  }

  /** Whether there is room for {@code dataBytes} in one segment, and for answers beside it. */
  boolean hasRoom(int dataBytes) {
    return ip.hasRoom(TcpLayout.HEADER_BYTES + dataBytes);
  }

  /**
   * Sends a SYN.
   *
   * @param scale the shift to offer, or {@link TcpSegment#NO_SCALE}
   */
  void syn(
      TcpPeer peer, int flags, int sequence, int acknowledgment, int window, int scale, long now) {
    int options = TcpSegment.putSynOptions(ip.payload(), maximumSegmentSize(), scale);
    send(peer, options, 0, sequence, acknowledgment, flags | TcpLayout.SYN, window, true, now);
  }

  /**
   * Sends a segment with {@code length} bytes of {@code ring}, from {@code sequence} on.
   *
   * @param ring may be null where the length is 0
   * @param whole whether routers may not take it apart
   */
  void data(
      TcpPeer peer,
      int flags,
      int sequence,
      int acknowledgment,
      int window,
      ByteRing ring,
      int length,
      boolean whole,
      long now) {
    if (length > 0) {
      ring.get(sequence, ip.payload(), TcpLayout.HEADER_BYTES, length);
    }
    send(peer, 0, length, sequence, acknowledgment, flags, window, whole, now);
  }

  /** Sends a segment with nothing in it: an acknowledgment or a reset. */
  void bare(TcpPeer peer, int flags, int sequence, int acknowledgment, int window, long now) {
    if ((flags & TcpLayout.RST) != 0) {
      counters.increment(StackCounter.TCP_RESETS_OUT);
    }
    send(peer, 0, 0, sequence, acknowledgment, flags, window, true, now);
  }

  /** Resets what is no connection of ours: RFC 9293, 3.10.7.1. */
  void refuse(TcpSegment segment, int source, long now) {
    counters.increment(StackCounter.TCP_RESETS_OUT);
    boolean acknowledged = segment.isAck();
    send(
        source,
        segment.sourcePort(),
        segment.destinationPort(),
        0,
        0,
        acknowledged ? segment.acknowledgment() : 0,
        acknowledged ? 0 : segment.sequence() + segment.sequenceLength(),
        acknowledged ? TcpLayout.RST : TcpLayout.RST | TcpLayout.ACK,
        0,
        true,
        now);
  }

  private void send(
      TcpPeer peer,
      int options,
      int data,
      int sequence,
      int acknowledgment,
      int flags,
      int window,
      boolean whole,
      long now) {
    send(
        peer.address(),
        peer.port(),
        peer.localPort(),
        options,
        data,
        sequence,
        acknowledgment,
        flags,
        window,
        whole,
        now);
  }

  private void send(
      int address,
      int port,
      int localPort,
      int options,
      int data,
      int sequence,
      int acknowledgment,
      int flags,
      int window,
      boolean whole,
      long now) {
    TcpSegment.put(
        ip.payload(),
        options,
        data,
        localPort,
        port,
        sequence,
        acknowledgment,
        flags,
        window,
        ip.address(),
        address);
    counters.increment(StackCounter.TCP_SEGMENTS_OUT);
    int length = TcpLayout.HEADER_BYTES + options + data;
    ip.send(address, TcpLayout.PROTOCOL, length, whole, now);
  }
}
