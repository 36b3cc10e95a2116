package dev.virtiolab.net.bridge;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Frames between numbered stations; each frame has a number of its own. */
final class Ethernet {
  static final long BROADCAST = 0xffff_ffff_ffffL;
  static final long MULTICAST = 0x3333_0000_0001L;
  static final long PAUSE = 0x0180_c200_0001L;

  private Ethernet() {}

  /** The address of a station: locally administered, one of its own. */
  static long station(int number) {
    return 0x0200_0000_0000L + number;
  }

  static byte[] frame(long destination, long source, int number) {
    return frame(destination, source, number, 60);
  }

  static byte[] frame(long destination, long source, int number, int length) {
    ByteBuffer frame = ByteBuffer.allocate(length).order(ByteOrder.BIG_ENDIAN);
    frame.putShort((short) (destination >>> 32)).putInt((int) destination);
    frame.putShort((short) (source >>> 32)).putInt((int) source);
    frame.putShort((short) 0x88b5).putInt(number);
    while (frame.hasRemaining()) {
      frame.put((byte) (number + frame.position()));
    }
    return frame.array();
  }

  static int number(byte[] frame) {
    return ByteBuffer.wrap(frame).getInt(14);
  }

  static long destination(byte[] frame) {
    return ByteBuffer.wrap(frame).getLong(0) >>> 16;
  }

  static long source(byte[] frame) {
    return ByteBuffer.wrap(frame).getLong(6) >>> 16;
  }
}
