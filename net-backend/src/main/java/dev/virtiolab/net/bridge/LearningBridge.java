package dev.virtiolab.net.bridge;

import dev.virtiolab.net.NetBackend;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.List;
import java.util.function.LongSupplier;

/**
 * Joins back ends into one segment: what comes in at one port goes out where its receiver was heard
 * last, and at every other port where that is not known or the receiver is a group.
 *
 * <p><b>Bounded.</b> A frame is copied at most once to each other port, never back to its own.
 * Queues are those of the ports; where a port has no room the copy is dropped and counted, so that
 * a slow port costs the others nothing, and what arrives is in the order in which it was sent. A
 * poll takes at most so many frames of each port as it was told, beginning with another port each
 * time. Nothing is allocated per frame. There is no spanning tree: in a loop of bridges a broadcast
 * goes round until a queue is full, and each bridge goes on serving all its ports meanwhile.
 *
 * <p><b>Links.</b> A port whose link goes down forgets its stations and gets no frames; what it had
 * received before is still relayed.
 */
public final class LearningBridge implements AutoCloseable {
  /** How long a silent station is remembered (802.1D-2004, table 7-5 "Ageing time parameter"). */
  public static final Duration AGEING_TIME = Duration.ofSeconds(300);

  /** How many stations are remembered at most. */
  public static final int STATIONS = 4096;

  private static final ValueLayout.OfInt BE32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
  private static final ValueLayout.OfShort BE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  private final NetBackend[] ports;
  private final PortCounters[] counters;
  private final FilteringDatabase database;
  private final LongSupplier nanoClock;
  private final boolean[] linkUp;
  private final boolean[] unflushed;

  private int firstPort;

  /**
   * A bridge that remembers {@link #STATIONS} stations for {@link #AGEING_TIME}.
   *
   * @param ports at least one; closed with the bridge, and nobody else's from now on
   */
  public LearningBridge(List<? extends NetBackend> ports) {
    this(ports, STATIONS, AGEING_TIME, System::nanoTime);
  }

  /**
   * Likewise.
   *
   * @param stations how many to remember, a power of two, at least 8
   * @param ageingTime how long to remember a silent one
   * @param nanoClock in nanoseconds, from any origin
   */
  public LearningBridge(
      List<? extends NetBackend> ports, int stations, Duration ageingTime, LongSupplier nanoClock) {
    if (ports.isEmpty()) {
      throw new IllegalArgumentException("a bridge has at least one port");
    }
    this.ports = ports.toArray(NetBackend[]::new);
    this.nanoClock = nanoClock;
    database = new FilteringDatabase(stations, ageingTime.toNanos());
    counters = new PortCounters[this.ports.length];
    linkUp = new boolean[this.ports.length];
    unflushed = new boolean[this.ports.length];
    for (int port = 0; port < counters.length; port++) {
      counters[port] = new PortCounters();
    }
  }

  /** How many ports there are. */
  public int ports() {
    return ports.length;
  }

  /**
   * What was done with the frames of a port; any thread.
   *
   * @param port from 0, in the order in which they were given
   */
  public PortCounters counters(int port) {
    return counters[port];
  }

  /**
   * Relays what is there, at most {@code budget} frames of each port. Does not wait.
   *
   * @return frames taken from the ports
   */
  public int poll(int budget) {
    long nowNanos = nanoClock.getAsLong();
    refreshLinks();
    int taken = 0;
    int port = firstPort;
    for (int i = 0; i < ports.length; i++) {
      taken += takeFrom(port, budget, nowNanos);
      port = after(port);
    }
    // Whoever comes first finds the most room: each port in its turn.
    firstPort = after(firstPort);
    return taken;
  }

  /** Whether there is nothing to do until a port says so. */
  boolean rest() {
    for (int port = 0; port < ports.length; port++) {
      if (ports[port].linkUp() != linkUp[port] || ports[port].peek() != 0) {
        return false;
      }
    }
    return true;
  }

  /** Sets what to run when there may be work; any thread runs it. */
  void onReady(Runnable wake) {
    for (NetBackend port : ports) {
      port.onReady(wake);
    }
  }

  /** A descriptor for each port, -1 where it has none. */
  int[] readableFds() {
    int[] fds = new int[ports.length];
    for (int port = 0; port < fds.length; port++) {
      fds[port] = ports[port].readableFd();
    }
    return fds;
  }

  /** Closes every port; nobody may be polling. */
  @Override
  public void close() {
    RuntimeException failure = null;
    for (NetBackend port : ports) {
      try {
        port.close();
      } catch (RuntimeException e) {
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  private void refreshLinks() {
    for (int port = 0; port < ports.length; port++) {
      boolean up = ports[port].linkUp();
      if (linkUp[port] && !up) {
        database.forget(port);
      }
      linkUp[port] = up;
    }
  }

  private int takeFrom(int ingress, int budget, long nowNanos) {
    NetBackend from = ports[ingress];
    int taken = 0;
    while (taken < budget) {
      int length = from.peek();
      if (length == 0) {
        break;
      }
      relay(ingress, from.peeked(), from.peekedOffset(), length, nowNanos);
      from.release();
      taken++;
    }
    if (taken > 0) {
      flush();
    }
    return taken;
  }

  private void relay(int ingress, MemorySegment frame, long at, int length, long nowNanos) {
    if (length < EthernetLayout.HEADER_BYTES) {
      counters[ingress].countFiltered();
      return;
    }
    long destination = address(frame, at + EthernetLayout.DESTINATION);
    long source = address(frame, at + EthernetLayout.SOURCE);
    if (linkUp[ingress] && !isGroup(source)) {
      counters[ingress].count(database.learn(source, ingress, nowNanos));
    }
    if (isReserved(destination)) {
      counters[ingress].countFiltered();
      return;
    }
    int egress =
        isGroup(destination) ? FilteringDatabase.NOWHERE : database.portOf(destination, nowNanos);
    if (egress == ingress) {
      counters[ingress].countFiltered();
    } else if (egress != FilteringDatabase.NOWHERE) {
      counters[ingress].countRelayed();
      send(egress, frame, at, length);
    } else {
      counters[ingress].countFlooded();
      for (int port = 0; port < ports.length; port++) {
        if (port != ingress && linkUp[port]) {
          send(port, frame, at, length);
        }
      }
    }
  }

  private void send(int egress, MemorySegment frame, long at, int length) {
    NetBackend to = ports[egress];
    if (length > to.maxFrameLength()) {
      counters[egress].countTooLong();
    } else if (to.claim(length)) {
      MemorySegment.copy(frame, at, to.claimed(), to.claimedOffset(), length);
      to.commit();
      unflushed[egress] = true;
    } else {
      counters[egress].countNoRoom();
    }
  }

  private void flush() {
    for (int port = 0; port < ports.length; port++) {
      if (unflushed[port]) {
        unflushed[port] = false;
        ports[port].flush();
      }
    }
  }

  private int after(int port) {
    return port + 1 == ports.length ? 0 : port + 1;
  }

  private static long address(MemorySegment frame, long at) {
    return Integer.toUnsignedLong(frame.get(BE32, at)) << Short.SIZE
        | Short.toUnsignedLong(frame.get(BE16, at + Integer.BYTES));
  }

  private static boolean isGroup(long address) {
    return (address & EthernetLayout.GROUP_BIT) != 0;
  }

  private static boolean isReserved(long address) {
    return address >= EthernetLayout.RESERVED_FIRST && address <= EthernetLayout.RESERVED_LAST;
  }
}
