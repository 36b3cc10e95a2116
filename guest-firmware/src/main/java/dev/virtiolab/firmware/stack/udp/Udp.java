package dev.virtiolab.firmware.stack.udp;

import dev.virtiolab.firmware.stack.IpSender;
import dev.virtiolab.firmware.stack.IpTransport;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.StackCounter;
import dev.virtiolab.firmware.stack.StackCounters;
import dev.virtiolab.firmware.stack.bytes.InternetChecksum;
import dev.virtiolab.firmware.stack.bytes.NetworkBytes;
import dev.virtiolab.pci.cpu.CpuClock;
import java.lang.foreign.MemorySegment;

/**
 * UDP over IPv4: RFC 768, RFC 1122 4.1. Which port is whose. All calls come from the firmware's
 * thread; there are at most {@value #SOCKETS} sockets.
 */
public final class Udp implements IpTransport {
  public static final int SOCKETS = 32;

  private static final int LARGEST_PORT = 0xffff;
  private static final int FIRST_FREE_PORT = 49_152;

  private final IpSender ip;
  private final StackCounters counters;
  private final CpuClock clock;
  private final UdpSocket[] sockets = new UdpSocket[SOCKETS];
  private int nextPort = FIRST_FREE_PORT;

  public Udp(IpSender ip, StackCounters counters, CpuClock clock) {
    this.ip = ip;
    this.counters = counters;
    this.clock = clock;
  }

  /**
   * Opens a socket.
   *
   * @param port from 1 to 65535; 0: one that is free
   * @throws IllegalArgumentException if it is out of range
   * @throws IllegalStateException if somebody has it, or there are too many sockets
   */
  public UdpSocket open(int port) {
    if (port < 0 || port > LARGEST_PORT) {
      throw new IllegalArgumentException("port " + port + ", from 0 to " + LARGEST_PORT);
    }
    if (port != 0 && find(port) != null) {
      throw new IllegalStateException("port " + port + " is taken");
    }
    for (int i = 0; i < sockets.length; i++) {
      if (sockets[i] == null) {
        sockets[i] = new UdpSocket(this, port == 0 ? freePort() : port);
        return sockets[i];
      }
    }
    throw new IllegalStateException("there are " + SOCKETS + " sockets already");
  }

  /** There are more ports than sockets, so one is free. */
  private int freePort() {
    int port;
    do {
      port = nextPort;
      nextPort = nextPort == LARGEST_PORT ? FIRST_FREE_PORT : nextPort + 1;
    } while (find(port) != null);
    return port;
  }

  boolean send(
      int localPort, Ipv4Address address, int port, MemorySegment from, long at, int length) {
    if (!address.isHost() || address.bits() == ip.address() || port < 1 || port > LARGEST_PORT) {
      throw new IllegalArgumentException("cannot send to " + address + " port " + port);
    }
    if (length < 0 || length > UdpSocket.MAX_BYTES) {
      throw new IllegalArgumentException(length + " bytes, from 0 to " + UdpSocket.MAX_BYTES);
    }
    int whole = UdpLayout.HEADER_BYTES + length;
    if (!ip.hasRoom(whole)) {
      return false;
    }
    MemorySegment datagram = ip.payload();
    MemorySegment.copy(from, at, datagram, UdpLayout.HEADER_BYTES, length);
    NetworkBytes.putU16(datagram, UdpLayout.SOURCE_PORT, localPort);
    NetworkBytes.putU16(datagram, UdpLayout.DESTINATION_PORT, port);
    NetworkBytes.putU16(datagram, UdpLayout.LENGTH, whole);
    NetworkBytes.putU16(datagram, UdpLayout.CHECKSUM, 0);
    int checksum =
        InternetChecksum.of(datagram, 0, whole, ip.address(), address.bits(), UdpLayout.PROTOCOL);
    NetworkBytes.putU16(
        datagram,
        UdpLayout.CHECKSUM,
        checksum == UdpLayout.NO_CHECKSUM ? UdpLayout.ALL_ONES : checksum);
    counters.increment(StackCounter.UDP_DATAGRAMS_OUT);
    ip.send(address.bits(), UdpLayout.PROTOCOL, whole, false, clock.nanos());
    return true;
  }

  @Override
  public int protocol() {
    return UdpLayout.PROTOCOL;
  }

  @Override
  public boolean receive(int source, MemorySegment bytes, long at, int length, long nowNanos) {
    counters.increment(StackCounter.UDP_DATAGRAMS_IN);
    int whole =
        length < UdpLayout.HEADER_BYTES ? 0 : NetworkBytes.u16(bytes, at + UdpLayout.LENGTH);
    if (whole < UdpLayout.HEADER_BYTES || whole > length || !isIntact(source, bytes, at, whole)) {
      counters.increment(StackCounter.UDP_MALFORMED);
      return true;
    }
    UdpSocket socket = find(NetworkBytes.u16(bytes, at + UdpLayout.DESTINATION_PORT));
    if (socket == null) {
      counters.increment(StackCounter.UDP_NO_PORT);
      return false;
    }
    if (!socket.deliver(
        source,
        NetworkBytes.u16(bytes, at + UdpLayout.SOURCE_PORT),
        bytes,
        at + UdpLayout.HEADER_BYTES,
        whole - UdpLayout.HEADER_BYTES)) {
      counters.increment(StackCounter.UDP_QUEUE_FULL);
    }
    return true;
  }

  private boolean isIntact(int source, MemorySegment bytes, long at, int whole) {
    return NetworkBytes.u16(bytes, at + UdpLayout.CHECKSUM) == UdpLayout.NO_CHECKSUM
        || InternetChecksum.of(bytes, at, whole, source, ip.address(), UdpLayout.PROTOCOL) == 0;
  }

  @Override
  public void unreachable(
      int code,
      int destination,
      MemorySegment bytes,
      long at,
      int length,
      int nextHopMtu,
      long nowNanos) {
    UdpSocket socket = find(NetworkBytes.u16(bytes, at + UdpLayout.SOURCE_PORT));
    if (socket == null) {
      counters.increment(StackCounter.UNREACHABLE_STRAY);
    } else {
      socket.notArrived();
    }
  }

  @Override
  public void tick(long nowNanos) {
    // Nothing here depends on time.
  }

  @Override
  public boolean pump(long nowNanos) {
    return false; // a datagram goes at once or not at all
  }

  private UdpSocket find(int port) {
    for (UdpSocket socket : sockets) {
      if (socket != null && socket.port() == port) {
        return socket;
      }
    }
    return null;
  }

  void forget(UdpSocket closed) {
    for (int i = 0; i < sockets.length; i++) {
      if (sockets[i] == closed) {
        sockets[i] = null;
      }
    }
  }
}
