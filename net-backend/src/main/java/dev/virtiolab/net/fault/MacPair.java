package dev.virtiolab.net.fault;

import java.util.HexFormat;

/**
 * Two stations. A frame is between them if one is its source and the other its destination; one to
 * a group is between none.
 *
 * @param one an Ethernet address of 48 bits, its first octet the highest
 * @param other likewise
 */
public record MacPair(long one, long other) {
  private static final int OCTETS = 6;

  /**
   * @throws IllegalArgumentException if an address has more than 48 bits
   */
  public MacPair {
    if ((one | other) >>> OCTETS * Byte.SIZE != 0) {
      throw new IllegalArgumentException("an Ethernet address has 48 bits");
    }
  }

  /**
   * Of addresses such as {@code 52:54:00:12:34:56}.
   *
   * @throws IllegalArgumentException if one is none
   */
  public static MacPair of(String one, String other) {
    return new MacPair(address(one), address(other));
  }

  /** Whether a frame with these addresses is between the two. */
  boolean joins(long source, long destination) {
    return source == one && destination == other || source == other && destination == one;
  }

  private static long address(String text) {
    try {
      byte[] octets = HexFormat.ofDelimiter(":").parseHex(text);
      if (octets.length == OCTETS) {
        long bits = 0;
        for (byte octet : octets) {
          bits = bits << Byte.SIZE | octet & 0xff;
        }
        return bits;
      }
    } catch (IllegalArgumentException e) {
      // Said below.
    }
    throw new IllegalArgumentException("no Ethernet address: " + text);
  }

  @Override
  public String toString() {
    return text(one) + "-" + text(other);
  }

  private static String text(long address) {
    byte[] octets = new byte[OCTETS];
    for (int i = 0; i < OCTETS; i++) {
      octets[i] = (byte) (address >>> (OCTETS - 1 - i) * Byte.SIZE);
    }
    return HexFormat.ofDelimiter(":").formatHex(octets);
  }
}
