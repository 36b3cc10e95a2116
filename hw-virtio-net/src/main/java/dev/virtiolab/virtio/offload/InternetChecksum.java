package dev.virtiolab.virtio.offload;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** The checksum of IP, TCP and UDP (RFC 1071): the ones' complement sum of 16-bit words. */
final class InternetChecksum {
  private static final ValueLayout.OfInt BE32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
  private static final ValueLayout.OfShort BE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  private InternetChecksum() {}

  /**
   * A sum that is not folded yet, and can be added to others.
   *
   * @param length bytes, up to 2^31 - 1; an odd one is filled up with a zero
   */
  static long sum(MemorySegment memory, long offset, int length) {
    // 32 bits at a time: 2^16 is 1 modulo 2^16 - 1, so both halves of a word count alike. Up to
    // 2^29 of them fit in 63 bits.
    long sum = 0;
    int at = 0;
    for (; at + Integer.BYTES <= length; at += Integer.BYTES) {
      sum += memory.get(BE32, offset + at) & 0xffff_ffffL;
    }
    if (at + Short.BYTES <= length) {
      sum += memory.get(BE16, offset + at) & 0xffffL;
      at += Short.BYTES;
    }
    if (at < length) {
      sum += (memory.get(ValueLayout.JAVA_BYTE, offset + at) & 0xffL) << Byte.SIZE;
    }
    return sum;
  }

  /** The checksum over what was summed up: 16 bits, to be stored. */
  static int finish(long sum) {
    long folded = sum;
    while (folded >>> Short.SIZE != 0) { // Ends: each turn makes it shorter by 16 bits, or 1.
      folded = (folded & 0xffff) + (folded >>> Short.SIZE);
    }
    return (int) ~folded & 0xffff;
  }

  /**
   * Completes a partial checksum (virtio v1.4, 5.1.6.2): the field holds the sum of the pseudo
   * header.
   *
   * @param start first byte that it covers, counted from {@code offset}; to the end of the frame
   * @param field where it goes, counted from {@code start}; within the frame
   */
  static void complete(MemorySegment frame, long offset, int length, int start, int field) {
    int checksum = finish(sum(frame, offset + start, length - start));
    // A UDP checksum of 0 would say that there is none (RFC 768); -0 means the same everywhere.
    frame.set(BE16, offset + start + field, (short) (checksum == 0 ? 0xffff : checksum));
  }
}
