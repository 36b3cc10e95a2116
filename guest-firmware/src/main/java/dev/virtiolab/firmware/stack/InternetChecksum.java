package dev.virtiolab.firmware.stack;

import java.lang.foreign.MemorySegment;

/**
 * The checksum of IP and ICMP: RFC 1071. The one's complement of the one's complement sum of the
 * bytes taken as 16-bit words, an odd last byte being the upper half of a word.
 */
final class InternetChecksum {
  private InternetChecksum() {}

  /**
   * The checksum of a range; 0 where the range holds its own, correct one.
   *
   * @param length from 0 to 65535 bytes
   */
  static int of(MemorySegment bytes, long offset, int length) {
    // Words of 32 bits have the same sum once it is folded: 2^16 is 1 modulo 2^16 - 1. At most
    // 2^14 of them cannot overflow a long.
    long sum = 0;
    int at = 0;
    for (; at + 4 <= length; at += 4) {
      sum += Integer.toUnsignedLong(NetworkBytes.i32(bytes, offset + at));
    }
    if (at + 2 <= length) {
      sum += NetworkBytes.u16(bytes, offset + at);
      at += 2;
    }
    if (at < length) {
      sum += (long) NetworkBytes.u8(bytes, offset + at) << 8;
    }
    // The sum has up to 46 bits: three folds leave 16.
    sum = (sum & 0xffff_ffffL) + (sum >>> 32);
    sum = (sum & 0xffff) + (sum >>> 16);
    sum = (sum & 0xffff) + (sum >>> 16);
    return (int) (~sum & 0xffff);
  }
}
