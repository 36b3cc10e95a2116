package dev.virtiolab.firmware.stack.udp;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.bytes.ByteRing;
import java.lang.foreign.MemorySegment;

/**
 * A port: what it is sent waits here, so many bytes and so many datagrams of it. What comes then is
 * dropped and counted, as UDP may. All calls come from the firmware's thread.
 */
public final class UdpSocket implements AutoCloseable {
  /** The largest payload: 65535 bytes less the headers of IPv4 and UDP. */
  public static final int MAX_BYTES = 65_507;

  static final int QUEUE_BYTES = 256 << 10;
  static final int QUEUE_DATAGRAMS = 256;

  private final Udp udp;
  private final int port;
  private final ByteRing bytes = new ByteRing(QUEUE_BYTES);
  private final int[] lengths = new int[QUEUE_DATAGRAMS];
  private final int[] addresses = new int[QUEUE_DATAGRAMS];
  private final int[] ports = new int[QUEUE_DATAGRAMS];

  // All four run free; masked at use.
  private int firstByte;
  private int endByte;
  private int first;
  private int end;

  private int sourceAddress;
  private int sourcePort;
  private long unreachable;

  UdpSocket(Udp udp, int port) {
    this.udp = udp;
    this.port = port;
  }

  public int port() {
    return port;
  }

  /**
   * Sends a datagram.
   *
   * @param length from 0 to {@link #MAX_BYTES}
   * @return false if there is no room now: try after the next turn
   * @throws IllegalArgumentException if nobody can be there, or it is too large
   */
  public boolean send(Ipv4Address address, int port, MemorySegment from, long at, int length) {
    return udp.send(this.port, address, port, from, at, length);
  }

  /**
   * Takes the oldest datagram that waits; {@link #sourceAddress()} and {@link #sourcePort()} say
   * whose it is.
   *
   * @param length how much of it is wanted at most; the rest is lost
   * @return how many bytes were given; -1 if no datagram waits
   */
  public int receive(MemorySegment to, long at, int length) {
    if (first == end) {
      return -1;
    }
    int slot = first++ & QUEUE_DATAGRAMS - 1;
    int given = Math.min(length, lengths[slot]);
    bytes.get(firstByte, to, at, given);
    firstByte += lengths[slot];
    sourceAddress = addresses[slot];
    sourcePort = ports[slot];
    return given;
  }

  /** Who sent what was received last. */
  public Ipv4Address sourceAddress() {
    return new Ipv4Address(sourceAddress);
  }

  /** From which port. */
  public int sourcePort() {
    return sourcePort;
  }

  /** How often somebody said that a datagram of ours has not arrived. */
  public long unreachable() {
    return unreachable;
  }

  /** Gives the port back; what waits is lost. */
  @Override
  public void close() {
    udp.forget(this);
  }

  /** Takes a datagram; false if the queue is full. */
  boolean deliver(int address, int port, MemorySegment from, long at, int length) {
    if (end - first == QUEUE_DATAGRAMS || endByte - firstByte + length > QUEUE_BYTES) {
      return false;
    }
    int slot = end++ & QUEUE_DATAGRAMS - 1;
    lengths[slot] = length;
    addresses[slot] = address;
    ports[slot] = port;
    bytes.put(endByte, from, at, length);
    endByte += length;
    return true;
  }

  void notArrived() {
    unreachable++;
  }
}
