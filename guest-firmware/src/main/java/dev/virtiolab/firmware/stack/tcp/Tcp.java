package dev.virtiolab.firmware.stack.tcp;

import dev.virtiolab.firmware.stack.IpSender;
import dev.virtiolab.firmware.stack.IpTransport;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.StackCounter;
import dev.virtiolab.firmware.stack.StackCounters;
import dev.virtiolab.firmware.stack.bytes.NetworkBytes;
import dev.virtiolab.pci.cpu.CpuClock;
import java.lang.foreign.MemorySegment;

/**
 * TCP over IPv4: RFC 9293. Who listens, who is connected, and which segment is whose.
 *
 * <p>All calls come from the firmware's thread. There are at most {@value #CONNECTIONS} connections
 * and {@value #LISTENERS} listeners; the connection that has been in TIME-WAIT longest makes way
 * for a new one.
 */
public final class Tcp implements IpTransport {
  public static final int CONNECTIONS = 128;
  public static final int LISTENERS = 32;

  private static final int LARGEST_PORT = 0xffff;

  /**
   * RFC 1191 lets a router say 68; who believes it can be made to send 28 bytes a packet by
   * anybody. A path that is narrower than this may take packets apart, as it did before that RFC.
   */
  static final int LEAST_PATH_MTU = 552;

  // RFC 792, and RFC 1122, 3.2.2.1.
  private static final int CODE_PROTOCOL = 2;
  private static final int CODE_PORT = 3;
  private static final int CODE_TOO_LARGE = 4;

  private final CpuClock clock;
  private final StackCounters counters;
  private final SegmentWriter writer;
  private final SequenceKeys keys;
  private final TcpSegment segment = new TcpSegment();
  private final TcpConnection[] connections = new TcpConnection[CONNECTIONS];
  private final TcpListener[] listeners = new TcpListener[LISTENERS];
  private int connectionCount;
  private int firstToPump;

  /**
   * @param seed what initial sequence numbers and local ports follow from
   */
  public Tcp(IpSender ip, StackCounters counters, CpuClock clock, long seed) {
    this.clock = clock;
    this.counters = counters;
    writer = new SegmentWriter(ip, counters);
    keys = new SequenceKeys(seed);
  }

  // ---- the user's calls

  /**
   * Opens a connection: its SYN goes out with the stack's next turn.
   *
   * @param port from 1 to 65535
   * @throws IllegalArgumentException if nobody can be there
   * @throws IllegalStateException if there are too many connections, or no local port is left
   */
  public TcpConnection connect(Ipv4Address address, int port) {
    if (!address.isHost() || address.bits() == writer.address()) {
      throw new IllegalArgumentException("cannot connect to " + address + " from here");
    }
    checkPort(port, 1);
    if (!makeRoom()) {
      throw new IllegalStateException("there are " + CONNECTIONS + " connections already");
    }
    TcpPeer peer = new TcpPeer(address.bits(), port, freePort(address.bits(), port));
    TcpConnection connection = new TcpConnection(this, writer, counters, peer, null);
    connections[connectionCount++] = connection;
    connection.open(keys.initialSequence(writer.address(), peer, clock.nanos()));
    return connection;
  }

  /**
   * Listens.
   *
   * @param port from 1 to 65535; 0: one that is free
   * @param backlog how many connections may be in the handshake or wait to be accepted, at least 1
   * @throws IllegalArgumentException if a number is out of range
   * @throws IllegalStateException if somebody listens there, or there are too many listeners
   */
  public TcpListener listen(int port, int backlog) {
    checkPort(port, 0);
    if (backlog < 1) {
      throw new IllegalArgumentException("backlog of " + backlog + ", at least 1");
    }
    int local = port == 0 ? freePort(0, 0) : port;
    if (listener(local) != null) {
      throw new IllegalStateException("port " + port + " is taken");
    }
    for (int i = 0; i < listeners.length; i++) {
      if (listeners[i] == null) {
        listeners[i] = new TcpListener(this, local, backlog);
        return listeners[i];
      }
    }
    throw new IllegalStateException("there are " + LISTENERS + " listeners already");
  }

  private static void checkPort(int port, int least) {
    if (port < least || port > LARGEST_PORT) {
      throw new IllegalArgumentException(
          "port " + port + ", from " + least + " to " + LARGEST_PORT);
    }
  }

  private int freePort(int address, int port) {
    int first = keys.firstPort(writer.address(), address, port);
    for (int i = 0; i < SequenceKeys.PORTS; i++) {
      int candidate =
          SequenceKeys.FIRST_PORT + (first - SequenceKeys.FIRST_PORT + i) % SequenceKeys.PORTS;
      if (listener(candidate) == null && find(address, port, candidate) == null) {
        return candidate;
      }
    }
    throw new IllegalStateException("no local port is free");
  }

  // ---- IpTransport

  @Override
  public int protocol() {
    return TcpLayout.PROTOCOL;
  }

  /** Never false: who has no such port is told by a reset. */
  @Override
  public boolean receive(int source, MemorySegment bytes, long at, int length, long nowNanos) {
    counters.increment(StackCounter.TCP_SEGMENTS_IN);
    if (!segment.wrap(bytes, at, length, source, writer.address())
        || segment.sourcePort() == 0
        || segment.destinationPort() == 0) {
      counters.increment(StackCounter.TCP_MALFORMED);
      return true;
    }
    TcpConnection connection = find(source, segment.sourcePort(), segment.destinationPort());
    TcpListener listener = listener(segment.destinationPort());
    if (connection != null && listener != null && connection.yieldsTo(segment)) {
      connection.makeWay();
      connection = null;
    }
    if (connection != null) {
      connection.arrived(segment, nowNanos);
    } else if (segment.isRst()) {
      counters.increment(StackCounter.TCP_RESETS_IN);
    } else if (listener == null || segment.isAck()) {
      writer.refuse(segment, source, nowNanos);
    } else if (segment.isSyn()) {
      accept(listener, source, nowNanos);
    }
    return true;
  }

  /** 3.10.7.2. */
  private void accept(TcpListener listener, int source, long now) {
    if (!listener.makeRoom() || !makeRoom()) {
      counters.increment(StackCounter.TCP_SYN_DROPPED);
      return;
    }
    TcpPeer peer = new TcpPeer(source, segment.sourcePort(), segment.destinationPort());
    TcpConnection connection = new TcpConnection(this, writer, counters, peer, listener);
    connections[connectionCount++] = connection;
    listener.opened(connection);
    connection.accept(segment, keys.initialSequence(writer.address(), peer, now), now);
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
    TcpConnection connection =
        find(
            destination,
            NetworkBytes.u16(bytes, at + TcpLayout.DESTINATION_PORT),
            NetworkBytes.u16(bytes, at + TcpLayout.SOURCE_PORT));
    if (connection == null || !connection.isOut(NetworkBytes.i32(bytes, at + TcpLayout.SEQUENCE))) {
      counters.increment(StackCounter.UNREACHABLE_STRAY);
    } else if (code == CODE_TOO_LARGE) {
      connection.tooLarge(Math.max(nextHopMtu, LEAST_PATH_MTU), nextHopMtu < LEAST_PATH_MTU);
    } else {
      connection.unreachable(code == CODE_PORT || code == CODE_PROTOCOL);
    }
  }

  @Override
  public void tick(long nowNanos) {
    // From the end, since one that ends is replaced by the last one.
    for (int i = connectionCount - 1; i >= 0; i--) {
      connections[i].tick(nowNanos);
    }
  }

  @Override
  public boolean pump(long nowNanos) {
    boolean waiting = false;
    int count = connectionCount;
    for (int i = 0; i < count; i++) {
      // Nobody is always the last: who comes first may take all the buffers there are.
      waiting |= connections[(firstToPump + i) % count].pump(nowNanos);
    }
    firstToPump = firstToPump + 1 & 0xffff;
    return waiting;
  }

  // ---- the table

  private TcpConnection find(int address, int port, int localPort) {
    for (int i = 0; i < connectionCount; i++) {
      TcpPeer peer = connections[i].peer();
      if (peer.port() == port && peer.localPort() == localPort && peer.address() == address) {
        return connections[i];
      }
    }
    return null;
  }

  private TcpListener listener(int port) {
    for (TcpListener listener : listeners) {
      if (listener != null && listener.port() == port) {
        return listener;
      }
    }
    return null;
  }

  /** Makes room for one more connection; false if nobody can make way. */
  private boolean makeRoom() {
    if (connectionCount < CONNECTIONS) {
      return true;
    }
    TcpConnection oldest = null;
    for (TcpConnection connection : connections) {
      if (connection.state() == TcpState.TIME_WAIT
          && (oldest == null || connection.timeWaitNanos() < oldest.timeWaitNanos())) {
        oldest = connection;
      }
    }
    if (oldest == null) {
      return false;
    }
    oldest.makeWay();
    return true;
  }

  /** How many connections there are, those that only wait for their end included. */
  public int connections() {
    return connectionCount;
  }

  void forget(TcpConnection connection) {
    for (int i = 0; i < connectionCount; i++) {
      if (connections[i] == connection) {
        connections[i] = connections[--connectionCount];
        connections[connectionCount] = null;
      }
    }
    if (connection.listener() != null) {
      connection.listener().forget(connection);
    }
  }

  void forget(TcpListener listener) {
    for (int i = 0; i < listeners.length; i++) {
      if (listeners[i] == listener) {
        listeners[i] = null;
      }
    }
  }

  /** Whether a segment without data can be sent beside answers to what arrives. */
  boolean hasRoom() {
    return writer.hasRoom(0);
  }

  long nanos() {
    return clock.nanos();
  }
}
