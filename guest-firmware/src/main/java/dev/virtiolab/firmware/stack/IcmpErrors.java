package dev.virtiolab.firmware.stack;

import java.lang.foreign.MemorySegment;

/**
 * "Destination Unreachable": said to who asks for a port that nobody has, and passed on to who sent
 * what did not arrive. RFC 792, RFC 1122 3.2.2, RFC 1191 section 4.
 *
 * <p>Errors are rationed, as RFC 1812 4.3.2.8 advises: a flood of datagrams for no port is not
 * answered by another one.
 */
final class IcmpErrors {
  /** Errors that may be sent at once, and in a second. */
  static final int BURST = 50;

  private static final long NANOS_PER_ERROR = 20_000_000;

  /** Of what was not taken, its header and so many bytes more go back (RFC 792). */
  private static final int QUOTED_BYTES = 8;

  private final IpSender sender;
  private final StackCounters counters;

  /** The packet in a received message; only its start is there. */
  private final Ipv4Packet quoted = new Ipv4Packet();

  /** When the ration is full again: it lies up to {@link #BURST} errors ahead. */
  private long fullNanos;

  IcmpErrors(IpSender sender, StackCounters counters) {
    this.sender = sender;
    this.counters = counters;
  }

  /** Tells the sender of {@code packet}, which is no fragment, that nobody has the port. */
  void portUnreachable(Ipv4Packet packet, long nowNanos) {
    if (fullNanos - nowNanos > (BURST - 1) * NANOS_PER_ERROR) {
      counters.increment(StackCounter.UNREACHABLE_RATIONED);
      return;
    }
    fullNanos = Math.max(fullNanos, nowNanos) + NANOS_PER_ERROR;
    MemorySegment message = sender.payload();
    int header = packet.headerLength();
    int quote = header + Math.min(QUOTED_BYTES, packet.payloadLength());
    MemorySegment.copy(
        packet.bytes(), packet.payloadOffset() - header, message, IcmpLayout.HEADER_BYTES, quote);
    IcmpMessage.putUnreachable(message, 0, IcmpLayout.CODE_PORT, quote);
    counters.increment(StackCounter.UNREACHABLE_OUT);
    sender.send(
        packet.source(),
        Ipv4Layout.PROTOCOL_ICMP,
        IcmpLayout.HEADER_BYTES + quote,
        false,
        nowNanos);
  }

  /** Passes a received "Destination Unreachable" on to the transport it is about, if it fits. */
  void receive(IcmpMessage message, IpTransport[] transports, long nowNanos) {
    if (!quoted.wrapQuoted(message.bytes(), message.dataOffset(), message.dataLength())
        || quoted.source() != sender.address()
        || quoted.fragmentOffset() != 0
        || quoted.quotedLength() < QUOTED_BYTES) {
      counters.increment(StackCounter.UNREACHABLE_STRAY);
      return;
    }
    for (IpTransport transport : transports) {
      if (transport != null && transport.protocol() == quoted.protocol()) {
        counters.increment(StackCounter.UNREACHABLE_IN);
        int mtu = message.code() == IcmpLayout.CODE_TOO_LARGE ? message.sequence() : 0;
        transport.unreachable(
            message.code(),
            quoted.destination(),
            message.bytes(),
            quoted.payloadOffset(),
            quoted.quotedLength(),
            mtu,
            nowNanos);
        return;
      }
    }
    counters.increment(StackCounter.UNREACHABLE_STRAY);
  }
}
