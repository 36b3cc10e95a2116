package dev.virtiolab.firmware.stack;

import java.lang.foreign.MemorySegment;

/**
 * A protocol on top of IPv4. All calls come from the firmware's thread, out of the stack's {@link
 * NetworkStack#poll} and {@link NetworkStack#tick}; none of them throws, whatever the bytes are.
 */
public interface IpTransport {

  /** The protocol's number in the IPv4 header. */
  int protocol();

  /**
   * Takes a datagram that is for this host and from one that can be. There is room for a few small
   * answers.
   *
   * @param source who sent it
   * @param bytes valid until the call returns
   * @param at where the payload of IPv4 starts
   * @param length its bytes
   * @param nowNanos the clock's
   * @return false to have the sender told that nobody has this port
   */
  boolean receive(int source, MemorySegment bytes, long at, int length, long nowNanos);

  /**
   * Hears that a datagram of ours did not arrive: RFC 792, "Destination Unreachable Message". The
   * message may be forged.
   *
   * @param code the reason
   * @param destination whom the datagram was for
   * @param bytes the start of what IPv4 carried
   * @param at where it starts
   * @param length at least 8 bytes
   * @param nextHopMtu where it was too large, what would have passed (RFC 1191), or 0
   */
  void unreachable(
      int code,
      int destination,
      MemorySegment bytes,
      long at,
      int length,
      int nextHopMtu,
      long nowNanos);

  /** Does what time asks for. */
  void tick(long nowNanos);

  /**
   * Sends what can be sent.
   *
   * @return whether something waits for nothing but transmit buffers
   */
  boolean pump(long nowNanos);
}
