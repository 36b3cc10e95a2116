package dev.virtiolab.firmware.stack.bytes;

import java.lang.foreign.MemorySegment;

/**
 * A window on a stream: the byte with sequence number {@code n} has its place at {@code n} modulo
 * the size, a power of two, so that it divides 2^32 and the places go on where the numbers wrap.
 * Who uses it knows which bytes are there.
 */
public final class ByteRing {
  private final MemorySegment bytes;
  private final int mask;

  /**
   * @param size in bytes, a power of two
   */
  public ByteRing(int size) {
    if (Integer.bitCount(size) != 1) {
      throw new IllegalArgumentException("size=" + size);
    }
    bytes = MemorySegment.ofArray(new byte[size]);
    mask = size - 1;
  }

  /** In bytes. */
  public int size() {
    return mask + 1;
  }

  /** Puts {@code length} bytes, at most the size, at the place of {@code sequence} and on. */
  public void put(int sequence, MemorySegment from, long at, int length) {
    int start = sequence & mask;
    int first = Math.min(length, size() - start);
    MemorySegment.copy(from, at, bytes, start, first);
    MemorySegment.copy(from, at + first, bytes, 0, length - first);
  }

  /** Gets {@code length} bytes, at most the size, from the place of {@code sequence} on. */
  public void get(int sequence, MemorySegment to, long at, int length) {
    int start = sequence & mask;
    int first = Math.min(length, size() - start);
    MemorySegment.copy(bytes, start, to, at, first);
    MemorySegment.copy(bytes, 0, to, at + first, length - first);
  }
}
