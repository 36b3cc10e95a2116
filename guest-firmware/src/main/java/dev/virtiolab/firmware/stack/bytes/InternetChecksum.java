package dev.virtiolab.firmware.stack.bytes;

import java.lang.foreign.MemorySegment;

/**
 * The checksum of IP, ICMP, UDP and TCP: RFC 1071. The one's complement of the one's complement sum
 * of the bytes taken as 16-bit words, an odd last byte being the upper half of a word.
 */
public final class InternetChecksum {
  private InternetChecksum() {}

  /**
   * The checksum of a range; 0 where the range holds its own, correct one.
   *
   * @param length from 0 to 65535 bytes
   */
  public static int of(MemorySegment bytes, long offset, int length) {
    return ~fold(sum(bytes, offset, length)) & 0xffff;
  }

  /**
   * The checksum of a datagram of UDP (RFC 768) or TCP (RFC 9293, 3.1), over the pseudo header with
   * both addresses, the protocol and the length, too.
   *
   * @param length from 0 to 65535 bytes
   */
  public static int of(
      MemorySegment bytes, long offset, int length, int source, int destination, int protocol) {
    long pseudo =
        Integer.toUnsignedLong(source) + Integer.toUnsignedLong(destination) + protocol + length;
    return ~fold(pseudo + sum(bytes, offset, length)) & 0xffff;
  }

  /** The sum of at most 2^14 words of 32 bits, and less than another: at most 47 bits. */
  private static long sum(MemorySegment bytes, long offset, int length) {
    // Words of 32 bits have the same sum once it is folded: 2^16 is 1 modulo 2^16 - 1.
    long sum = 0;
    int at = 0;
    for (; at + 8 <= length; at += 8) {
      long two = NetworkBytes.i64(bytes, offset + at);
      sum += (two >>> 32) + (two & 0xffff_ffffL);
    }
    if (at + 4 <= length) {
      sum += Integer.toUnsignedLong(NetworkBytes.i32(bytes, offset + at));
      at += 4;
    }
    if (at + 2 <= length) {
      sum += NetworkBytes.u16(bytes, offset + at);
      at += 2;
    }
    if (at < length) {
      sum += (long) NetworkBytes.u8(bytes, offset + at) << 8;
    }
    return sum;
  }

  /** 16 bits with the same sum. Up to 47 bits become 33, then 17 and a little, then 16. */
  private static int fold(long sum) {
    long folded = (sum & 0xffff_ffffL) + (sum >>> 32);
    folded = (folded & 0xffff) + (folded >>> 16);
    folded = (folded & 0xffff) + (folded >>> 16);
    return (int) ((folded & 0xffff) + (folded >>> 16));
  }
}
