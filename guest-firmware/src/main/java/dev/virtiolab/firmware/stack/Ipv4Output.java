package dev.virtiolab.firmware.stack;

import java.lang.foreign.MemorySegment;

/**
 * The way out: whom to send to for a destination, where that neighbour is, fragments, frames.
 *
 * <p>{@link TransmitPool#room()} is watched by who calls: what is sent here has room.
 */
final class Ipv4Output implements IpSender {
  private static final int TIME_TO_LIVE = 64;

  private final Ipv4Interface self;
  private final ArpCache arp;
  private final TransmitPool transmit;
  private final StackCounters counters;

  /** The payload of a datagram in the making. */
  private final MemorySegment payload =
      MemorySegment.ofArray(new byte[Ipv4Layout.MAX_PAYLOAD_BYTES]);

  /** A frame in the making. */
  private MemorySegment tx;

  private long hardware;
  private int mtu;

  /** Bytes of payload in a packet at most, and in a fragment that is not the last. */
  private int payloadBytes;

  private int fragmentBytes;
  private int identification;

  Ipv4Output(Ipv4Interface self, ArpCache arp, TransmitPool transmit, StackCounters counters) {
    this.self = self;
    this.arp = arp;
    this.transmit = transmit;
    this.counters = counters;
  }

  /**
   * Learns the interface.
   *
   * @param mtu the largest packet, in bytes
   * @param hardware our address on the link
   */
  void open(int mtu, long hardware) {
    this.mtu = mtu;
    this.hardware = hardware;
    tx = MemorySegment.ofArray(new byte[EthernetLayout.HEADER_BYTES + mtu]);
    payloadBytes = mtu - Ipv4Layout.HEADER_BYTES;
    fragmentBytes = payloadBytes / Ipv4Layout.UNIT_BYTES * Ipv4Layout.UNIT_BYTES;
  }

  /** The frames of the largest datagram, and one more for a question that precedes it. */
  int largestAnswerFrames() {
    return frames(Ipv4Layout.MAX_PAYLOAD_BYTES) + 1;
  }

  @Override
  public int address() {
    return self.address().bits();
  }

  @Override
  public int mtu() {
    return mtu;
  }

  @Override
  public MemorySegment payload() {
    return payload;
  }

  @Override
  public boolean hasRoom(int length) {
    // One more for a question. The pool has twice the room of the largest answer, at any MTU.
    return transmit.room() >= largestAnswerFrames() + frames(length) + 1;
  }

  @Override
  public void send(int destination, int protocol, int length, boolean dontFragment, long nowNanos) {
    int nextHop = self.nextHop(destination);
    if (nextHop == 0) {
      counters.increment(StackCounter.IPV4_NO_ROUTE);
      return;
    }
    ArpCache.Neighbour neighbour = arp.lookup(nextHop, nowNanos);
    askIfDue(neighbour, nowNanos);
    if (neighbour.isKnown() && neighbour.firstWaiting() == null) {
      sendFragments(neighbour, destination, protocol, dontFragment, payload, length);
    } else {
      arp.await(neighbour, destination, protocol, dontFragment, payload, length);
    }
  }

  /** Sends what waited for neighbours that are known by now, as far as there is room. */
  void serveWaiting() {
    ArpCache.Neighbour neighbour = arp.nextToServe();
    while (neighbour != null) {
      ArpCache.Waiting first = neighbour.firstWaiting();
      byte[] waiting = first.payload();
      if (transmit.room() < frames(waiting.length)) {
        return;
      }
      sendFragments(
          neighbour,
          first.destination(),
          first.protocol(),
          first.dontFragment(),
          MemorySegment.ofArray(waiting),
          waiting.length);
      arp.removeFirstWaiting(neighbour);
      neighbour = arp.nextToServe();
    }
  }

  /** RFC 791, 3.2, "An Example Fragmentation Procedure". */
  private void sendFragments(
      ArpCache.Neighbour neighbour,
      int destination,
      int protocol,
      boolean dontFragment,
      MemorySegment from,
      int length) {
    int id = identification++ & 0xffff;
    int offset = 0;
    do {
      // What fits is not taken apart, whatever the units say.
      boolean more = length - offset > payloadBytes;
      int bytes = more ? fragmentBytes : length - offset;
      int flags =
          (dontFragment ? Ipv4Layout.DONT_FRAGMENT : 0) | (more ? Ipv4Layout.MORE_FRAGMENTS : 0);
      EthernetFrame.put(tx, neighbour.hardware(), hardware, EthernetLayout.TYPE_IPV4);
      Ipv4Packet.put(
          tx,
          EthernetLayout.HEADER_BYTES,
          bytes,
          id,
          flags | offset / Ipv4Layout.UNIT_BYTES,
          TIME_TO_LIVE,
          protocol,
          address(),
          destination);
      int header = EthernetLayout.HEADER_BYTES + Ipv4Layout.HEADER_BYTES;
      MemorySegment.copy(from, offset, tx, header, bytes);
      transmit.send(tx, header + bytes);
      offset += bytes;
    } while (offset < length);
  }

  /** Packets that {@link #sendFragments} makes of so many bytes: one, and those before it. */
  private int frames(int length) {
    int before = Math.max(0, length - payloadBytes);
    return (before + fragmentBytes - 1) / fragmentBytes + 1;
  }

  /** Asks for every neighbour that is not known yet and whose turn it is. */
  void askForNeighbours(long nowNanos) {
    for (int i = 0; i < ArpCache.NEIGHBOURS; i++) {
      ArpCache.Neighbour neighbour = arp.resolving(i);
      if (neighbour != null) {
        askIfDue(neighbour, nowNanos);
      }
    }
  }

  private void askIfDue(ArpCache.Neighbour neighbour, long now) {
    if (transmit.room() > 0 && arp.shouldAsk(neighbour, now)) {
      counters.increment(StackCounter.ARP_REQUESTS_OUT);
      sendArp(ArpLayout.REQUEST, EthernetLayout.BROADCAST, 0, neighbour.address());
    }
  }

  /** Sends a question or an answer of ARP's. */
  void sendArp(int operation, long destination, long targetHardware, int target) {
    EthernetFrame.put(tx, destination, hardware, EthernetLayout.TYPE_ARP);
    ArpPacket.put(
        tx, EthernetLayout.HEADER_BYTES, operation, hardware, address(), targetHardware, target);
    transmit.send(tx, EthernetLayout.HEADER_BYTES + ArpLayout.BYTES);
  }
}
