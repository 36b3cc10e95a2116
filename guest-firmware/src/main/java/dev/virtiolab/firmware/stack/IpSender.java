package dev.virtiolab.firmware.stack;

import java.lang.foreign.MemorySegment;

/** How a protocol on top of IPv4 sends. From the firmware's thread. */
public interface IpSender {

  /** This host's address. */
  int address();

  /** The largest packet that the link takes whole, its IPv4 header included. */
  int mtu();

  /**
   * Where the payload of the next datagram is put, from offset 0; up to 65515 bytes. It is free
   * again once {@link #send} returns, and anybody may write it until then.
   */
  MemorySegment payload();

  /**
   * Whether there are transmit buffers for a datagram, without those that answers to received
   * frames must find.
   *
   * @param length of the payload in bytes, 0 to 65515
   */
  boolean hasRoom(int length);

  /**
   * Sends the datagram that {@link #payload()} holds, or keeps it until its next hop is known. One
   * for which there is no way is dropped and counted.
   *
   * @param length of the payload in bytes; there is room for it
   * @param dontFragment whether routers may not take it apart (RFC 1191); it fits the link then
   */
  void send(int destination, int protocol, int length, boolean dontFragment, long nowNanos);
}
