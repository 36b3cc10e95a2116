package dev.virtiolab.firmware.stack.bytes;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Unsigned values in network byte order, at any alignment. */
public final class NetworkBytes {
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  private NetworkBytes() {}

  public static int u8(MemorySegment bytes, long at) {
    return Byte.toUnsignedInt(bytes.get(ValueLayout.JAVA_BYTE, at));
  }

  public static int u16(MemorySegment bytes, long at) {
    return Short.toUnsignedInt(bytes.get(SHORT, at));
  }

  /** All 32 bits, as an {@code int}. */
  public static int i32(MemorySegment bytes, long at) {
    return bytes.get(INT, at);
  }

  /** All 64 bits. */
  public static long i64(MemorySegment bytes, long at) {
    return bytes.get(LONG, at);
  }

  /** A hardware address, in the low 48 bits. */
  public static long mac(MemorySegment bytes, long at) {
    return (long) u16(bytes, at) << 32 | Integer.toUnsignedLong(i32(bytes, at + 2));
  }

  public static void putU8(MemorySegment bytes, long at, int value) {
    bytes.set(ValueLayout.JAVA_BYTE, at, (byte) value);
  }

  public static void putU16(MemorySegment bytes, long at, int value) {
    bytes.set(SHORT, at, (short) value);
  }

  public static void putI32(MemorySegment bytes, long at, int value) {
    bytes.set(INT, at, value);
  }

  public static void putMac(MemorySegment bytes, long at, long value) {
    putU16(bytes, at, (int) (value >>> 32));
    putI32(bytes, at + 2, (int) value);
  }
}
