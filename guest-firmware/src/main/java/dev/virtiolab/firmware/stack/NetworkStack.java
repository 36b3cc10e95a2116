package dev.virtiolab.firmware.stack;

import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.firmware.uefi.SimpleNetworkMode;
import dev.virtiolab.pci.cpu.CpuClock;
import dev.virtiolab.pci.cpu.CpuMemory;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * ARP, IPv4 and ICMP over a Simple Network interface, and under transports that are {@linkplain
 * #add added}.
 *
 * <p>{@link #open}, then {@link #poll} whenever there may be frames and {@link #tick} about ten
 * times a second, then {@link #close}. All from the firmware's thread, at TPL_CALLBACK or below.
 *
 * <p>Nothing is lost for want of transmit buffers: a frame is taken from the interface only while
 * there is room for the largest answer to it.
 */
public final class NetworkStack implements AutoCloseable {
  private static final int PAGE_BYTES = 4096;
  private static final int MAX_PINGS = 16;
  private static final int MAX_TRANSPORTS = 4;

  /** Frames that one {@link #poll} takes at most. */
  private static final int POLL_BUDGET = 64;

  private static final int FILTERS =
      SimpleNetwork.RECEIVE_UNICAST | SimpleNetwork.RECEIVE_BROADCAST;

  private final BootServices bootServices;
  private final CpuMemory memory;
  private final CpuClock clock;
  private final SimpleNetwork snp;
  private final Ipv4Interface self;
  private final int address;

  private final StackCounters counters = new StackCounters();
  private final ArpCache arp = new ArpCache(counters);
  private final Ipv4Reassembler reassembler = new Ipv4Reassembler(counters);
  private final TransmitPool transmit;
  private final Ipv4Output output;
  private final IcmpErrors errors;
  private final IpTransport[] transports = new IpTransport[MAX_TRANSPORTS];
  private final Ping[] pings = new Ping[MAX_PINGS];

  private final EthernetFrame ethernet = new EthernetFrame();
  private final ArpPacket arpPacket = new ArpPacket();
  private final Ipv4Packet ipv4 = new Ipv4Packet();
  private final IcmpMessage icmp = new IcmpMessage();
  private final LongRef receivedBytes = new LongRef();

  /** A frame as it came, copied out of guest memory. */
  private MemorySegment rx;

  private boolean open;
  private boolean heldUp;
  private boolean initializedHere;
  private boolean startedHere;
  private long hardware;
  private long rxPages;
  private int rxPageCount;
  private int rxBytes;
  private int largestAnswerFrames;
  private int nextIdentifier = 1;

  /**
   * A stack on a link with everyone.
   *
   * @param address this host's
   */
  public NetworkStack(
      BootServices bootServices,
      CpuMemory memory,
      CpuClock clock,
      SimpleNetwork snp,
      Ipv4Address address) {
    this(bootServices, memory, clock, snp, Ipv4Interface.onLink(address));
  }

  /**
   * @param self this host's address, link and gateway
   */
  public NetworkStack(
      BootServices bootServices,
      CpuMemory memory,
      CpuClock clock,
      SimpleNetwork snp,
      Ipv4Interface self) {
    this.bootServices = bootServices;
    this.memory = memory;
    this.clock = clock;
    this.snp = snp;
    this.self = self;
    address = self.address().bits();
    transmit = new TransmitPool(bootServices, memory, snp, counters);
    output = new Ipv4Output(self, arp, transmit, counters);
    errors = new IcmpErrors(output, counters);
  }

  /**
   * Takes the interface up as far as it is not, and allocates buffers.
   *
   * @return the status of whatever failed; then everything is as it was
   */
  public EfiStatus open() {
    if (open) {
      return EfiStatus.ALREADY_STARTED;
    }
    EfiStatus status = bringUp();
    if (!status.isError()) {
      status = allocate();
    }
    if (status.isError()) {
      release();
      return status;
    }
    open = true;
    return EfiStatus.SUCCESS;
  }

  /** Takes the interface down as far as it was, and frees the buffers. */
  @Override
  public void close() {
    if (open) {
      open = false;
      release();
    }
  }

  /**
   * Resets the interface in mid-traffic and goes on: what it had not sent is lost (UEFI 2.10, 24.1
   * "EFI_SIMPLE_NETWORK.Reset()": both queues are emptied). Mends an interface that has given its
   * device up, such as after DEVICE_NEEDS_RESET, which nothing in the firmware does by itself.
   *
   * @return the interface's; DEVICE_ERROR leaves it given up
   */
  public EfiStatus reset() {
    if (!open) {
      return EfiStatus.NOT_STARTED;
    }
    EfiStatus status = snp.reset(false);
    transmit.forgetInFlight();
    return status;
  }

  public StackCounters counters() {
    return counters;
  }

  /** How a transport sends. */
  public IpSender sender() {
    return output;
  }

  /**
   * Puts a transport on top: from now on it gets the datagrams of its protocol.
   *
   * @throws IllegalStateException if there are too many, or one of this protocol
   */
  public void add(IpTransport transport) {
    for (int i = 0; i < transports.length; i++) {
      if (transports[i] == null) {
        transports[i] = transport;
        return;
      }
      if (transports[i].protocol() == transport.protocol()) {
        break;
      }
    }
    throw new IllegalStateException("no place for protocol " + transport.protocol());
  }

  /**
   * Handles the frames that are there, up to a bound, and sends what can be sent.
   *
   * @return how many frames were handled
   */
  public int poll() {
    heldUp = false;
    if (!open) {
      return 0;
    }
    long now = clock.nanos();
    transmit.pump();
    output.serveWaiting();
    int handled = 0;
    while (handled < POLL_BUDGET) {
      if (transmit.room() < largestAnswerFrames) {
        counters.increment(StackCounter.BACK_PRESSURE);
        heldUp = true;
        break;
      }
      receivedBytes.value = rxBytes;
      EfiStatus status = snp.receive(null, receivedBytes, rxPages, null, null, null);
      if (status == EfiStatus.NOT_READY) {
        break;
      }
      if (status.isError() || receivedBytes.value < 0 || receivedBytes.value > rxBytes) {
        counters.increment(StackCounter.RX_ERROR);
        break;
      }
      int length = (int) receivedBytes.value;
      memory.read(rxPages, rx, 0, length);
      counters.increment(StackCounter.RX_FRAMES);
      handled++;
      handleFrame(length, now);
      transmit.pump();
    }
    pumpTransports(now);
    return handled;
  }

  private void pumpTransports(long now) {
    boolean any = false;
    for (IpTransport transport : transports) {
      if (transport != null) {
        any = true;
        heldUp |= transport.pump(now);
      }
    }
    if (any) {
      transmit.pump();
    }
  }

  /**
   * Whether the last {@link #poll} stopped for want of transmit buffers: frames may be there, or be
   * waiting to be sent, and only the device can make room.
   */
  public boolean isHeldUp() {
    return heldUp;
  }

  /**
   * Does what time asks for: questions repeated, neighbours, fragments and echo requests given up.
   *
   * @param nowNanos the clock's
   */
  public void tick(long nowNanos) {
    if (!open) {
      return;
    }
    reassembler.expire(nowNanos);
    arp.expire(nowNanos);
    output.askForNeighbours(nowNanos);
    for (Ping ping : pings) {
      if (ping != null) {
        ping.tick(nowNanos);
      }
    }
    for (IpTransport transport : transports) {
      if (transport != null) {
        transport.tick(nowNanos);
      }
    }
    transmit.pump();
  }

  /**
   * A client that sends echo requests to {@code target}.
   *
   * @param payloadBytes from 0 to {@link Ping#MAX_PAYLOAD_BYTES}
   * @throws IllegalArgumentException if it cannot be sent to, or is too large
   * @throws IllegalStateException if there are {@value #MAX_PINGS} already
   */
  public Ping ping(Ipv4Address target, int payloadBytes) {
    if (!target.isHost() || target.bits() == address) {
      throw new IllegalArgumentException("cannot ping " + target + " from here");
    }
    if (payloadBytes < 0 || payloadBytes > Ping.MAX_PAYLOAD_BYTES) {
      throw new IllegalArgumentException(
          "payload of " + payloadBytes + " bytes, from 0 to " + Ping.MAX_PAYLOAD_BYTES);
    }
    for (int i = 0; i < pings.length; i++) {
      if (pings[i] == null) {
        pings[i] = new Ping(this, target, nextIdentifier++ & 0xffff, payloadBytes);
        return pings[i];
      }
    }
    throw new IllegalStateException("there are " + MAX_PINGS + " pings already");
  }

  long nanos() {
    return clock.nanos();
  }

  boolean sendEchoRequest(Ping ping, int sequence) {
    if (!open) {
      throw new IllegalStateException("the network stack is not open");
    }
    transmit.pump();
    if (transmit.room() < largestAnswerFrames) {
      return false;
    }
    MemorySegment message = output.payload();
    ping.fill(message, IcmpLayout.HEADER_BYTES, sequence);
    IcmpMessage.putEcho(
        message, 0, IcmpLayout.ECHO_REQUEST, ping.identifier(), sequence, ping.payloadBytes());
    counters.increment(StackCounter.ECHO_REQUESTS_OUT);
    sendIcmp(ping.target().bits(), IcmpLayout.HEADER_BYTES + ping.payloadBytes(), clock.nanos());
    transmit.pump();
    return true;
  }

  void forget(Ping ping) {
    for (int i = 0; i < pings.length; i++) {
      if (pings[i] == ping) {
        pings[i] = null;
      }
    }
  }

  private EfiStatus bringUp() {
    SimpleNetworkMode mode = snp.mode();
    EfiStatus status = EfiStatus.SUCCESS;
    if (mode.state == SimpleNetworkMode.State.STOPPED) {
      status = snp.start();
      startedHere = !status.isError();
    }
    if (!status.isError() && mode.state == SimpleNetworkMode.State.STARTED) {
      status = snp.initialize(0, 0);
      initializedHere = !status.isError();
    }
    if (!status.isError()) {
      status = snp.receiveFilters(FILTERS, 0, false, List.of());
    }
    return status;
  }

  private EfiStatus allocate() {
    SimpleNetworkMode mode = snp.mode();
    if (mode.mediaHeaderSize != EthernetLayout.HEADER_BYTES
        || mode.maxPacketSize < Ipv4Layout.HEADER_BYTES + Ipv4Layout.UNIT_BYTES
        || mode.maxPacketSize > Ipv4Layout.MAX_TOTAL_BYTES) {
      return EfiStatus.UNSUPPORTED;
    }
    int frameBytes = EthernetLayout.HEADER_BYTES + mode.maxPacketSize;
    hardware = mode.currentAddress.bits();
    output.open(mode.maxPacketSize, hardware);
    largestAnswerFrames = output.largestAnswerFrames();
    // Who is on a VLAN is nobody to us, but the frame has to come out of the interface.
    rxPageCount = (frameBytes + EthernetLayout.VLAN_TAG_BYTES + PAGE_BYTES - 1) / PAGE_BYTES;
    rxBytes = rxPageCount * PAGE_BYTES;
    LongRef pages = new LongRef();
    EfiStatus status =
        bootServices.allocatePages(
            AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, rxPageCount, pages);
    if (status.isError()) {
      return status;
    }
    rxPages = pages.value;
    status = transmit.open(frameBytes, largestAnswerFrames);
    if (status.isError()) {
      return status;
    }
    rx = MemorySegment.ofArray(new byte[rxBytes]);
    return EfiStatus.SUCCESS;
  }

  /** Undoes what {@link #open} did, in reverse. The interface lets go of buffers in shutdown. */
  private void release() {
    if (initializedHere) {
      snp.shutdown();
      initializedHere = false;
    }
    if (startedHere) {
      snp.stop();
      startedHere = false;
    }
    transmit.close();
    if (rxPages != 0) {
      bootServices.freePages(rxPages, rxPageCount);
      rxPages = 0;
    }
  }

  private void handleFrame(int length, long now) {
    if (!ethernet.wrap(rx, length)) {
      counters.increment(StackCounter.ETHERNET_MALFORMED);
      return;
    }
    long destination = ethernet.destination();
    boolean toUs = destination == hardware;
    if (!toUs && destination != EthernetLayout.BROADCAST) {
      counters.increment(StackCounter.ETHERNET_NOT_OURS);
      return;
    }
    switch (ethernet.type()) {
      case EthernetLayout.TYPE_ARP -> handleArp(now);
      case EthernetLayout.TYPE_IPV4 -> {
        // RFC 1122, 3.3.6: what was broadcast on the link is for nobody in particular.
        if (toUs) {
          handleIpv4(now);
        } else {
          counters.increment(StackCounter.ETHERNET_NOT_OURS);
        }
      }
      default -> counters.increment(StackCounter.ETHERNET_OTHER_TYPE);
    }
  }

  /** RFC 826, "Packet Reception". */
  private void handleArp(long now) {
    if (!arpPacket.wrap(rx, ethernet.payloadOffset(), ethernet.payloadLength())) {
      counters.increment(StackCounter.ARP_MALFORMED);
      return;
    }
    int sender = arpPacket.senderProtocol();
    if (sender == address) {
      counters.increment(StackCounter.ARP_CONFLICT);
      return;
    }
    boolean forUs = arpPacket.targetProtocol() == address;
    int operation = arpPacket.operation();
    boolean request = operation == ArpLayout.REQUEST;
    if (!request && operation != ArpLayout.REPLY) {
      counters.increment(StackCounter.ARP_MALFORMED);
      return;
    }
    // 0.0.0.0 asks whether an address is in use (RFC 5227): answered, but nobody's address.
    if (Ipv4Address.isHost(sender)) {
      // Only who asks for us is new to us; a reply that nobody asked for adds no neighbour.
      arp.merge(sender, arpPacket.senderHardware(), forUs && request, now);
    } else if (sender != 0) {
      counters.increment(StackCounter.ARP_MALFORMED);
      return;
    }
    if (!request) {
      counters.increment(StackCounter.ARP_REPLIES_IN);
      transmit.pump();
      output.serveWaiting();
    } else if (forUs) {
      counters.increment(StackCounter.ARP_REQUESTS_IN);
      counters.increment(StackCounter.ARP_REPLIES_OUT);
      long asker = arpPacket.senderHardware();
      output.sendArp(ArpLayout.REPLY, asker, asker, sender);
      output.serveWaiting();
    }
  }

  private void handleIpv4(long now) {
    if (!ipv4.wrap(rx, ethernet.payloadOffset(), ethernet.payloadLength())) {
      counters.increment(StackCounter.IPV4_MALFORMED);
    } else if (ipv4.destination() != address) {
      counters.increment(StackCounter.IPV4_NOT_OURS);
    } else if (!self.isHost(ipv4.source()) || ipv4.source() == address) {
      counters.increment(StackCounter.IPV4_BAD_SOURCE);
    } else if (!isSpoken(ipv4.protocol())) {
      counters.increment(StackCounter.IPV4_OTHER_PROTOCOL);
    } else if (!ipv4.isFragment()) {
      handleDatagram(rx, ipv4.payloadOffset(), ipv4.payloadLength(), now);
    } else {
      counters.increment(StackCounter.FRAGMENTS_IN);
      if (reassembler.add(ipv4, rx, now)) {
        handleDatagram(reassembler.bytes(), 0, reassembler.length(), now);
      }
    }
  }

  private boolean isSpoken(int protocol) {
    return protocol == Ipv4Layout.PROTOCOL_ICMP || transport(protocol) != null;
  }

  private IpTransport transport(int protocol) {
    for (IpTransport transport : transports) {
      if (transport != null && transport.protocol() == protocol) {
        return transport;
      }
    }
    return null;
  }

  private void handleDatagram(MemorySegment bytes, long at, int length, long now) {
    int protocol = ipv4.protocol();
    if (protocol == Ipv4Layout.PROTOCOL_ICMP) {
      handleIcmp(bytes, at, length, now);
    } else if (!transport(protocol).receive(ipv4.source(), bytes, at, length, now)
        // Of a datagram that came in pieces the first one is no longer there to be quoted.
        && !ipv4.isFragment()) {
      errors.portUnreachable(ipv4, now);
    }
  }

  private void handleIcmp(MemorySegment bytes, long at, int length, long now) {
    if (!icmp.wrap(bytes, at, length)) {
      counters.increment(StackCounter.ICMP_MALFORMED);
    } else if (icmp.type() == IcmpLayout.UNREACHABLE) {
      errors.receive(icmp, transports, now);
    } else if (icmp.code() != 0) {
      counters.increment(StackCounter.ICMP_OTHER);
    } else {
      switch (icmp.type()) {
        case IcmpLayout.ECHO_REQUEST -> answerEcho(now);
        case IcmpLayout.ECHO_REPLY -> counters.increment(deliverReply(now));
        default -> counters.increment(StackCounter.ICMP_OTHER);
      }
    }
  }

  /** RFC 1122, 3.2.2.6: everything that came goes back. */
  private void answerEcho(long now) {
    counters.increment(StackCounter.ECHO_REQUESTS_IN);
    int data = icmp.dataLength();
    MemorySegment message = output.payload();
    MemorySegment.copy(icmp.bytes(), icmp.dataOffset(), message, IcmpLayout.HEADER_BYTES, data);
    IcmpMessage.putEcho(
        message, 0, IcmpLayout.ECHO_REPLY, icmp.identifier(), icmp.sequence(), data);
    counters.increment(StackCounter.ECHO_REPLIES_OUT);
    sendIcmp(ipv4.source(), IcmpLayout.HEADER_BYTES + data, now);
  }

  private StackCounter deliverReply(long now) {
    for (Ping ping : pings) {
      if (ping != null
          && ping.identifier() == icmp.identifier()
          && ping.target().bits() == ipv4.source()) {
        return ping.reply(icmp, ipv4.timeToLive(), now);
      }
    }
    return StackCounter.ECHO_REPLY_STRAY;
  }

  private void sendIcmp(int destination, int length, long now) {
    output.send(destination, Ipv4Layout.PROTOCOL_ICMP, length, false, now);
  }
}
