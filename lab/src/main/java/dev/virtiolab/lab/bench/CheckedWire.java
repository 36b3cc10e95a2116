package dev.virtiolab.lab.bench;

import dev.virtiolab.net.ForwardingBackend;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.SourceBackend;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * A wire that keeps account of what comes out at its end: how many frames, and a digest over the
 * number and the last bytes of each, in order. Whoever sent them keeps the same account; if the two
 * differ, a frame was lost, doubled, reordered or garbled on the way.
 */
final class CheckedWire extends ForwardingBackend {
  private static final ValueLayout.OfLong LE64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** Odd, and with its bits well spread: 2^64 by the golden ratio. */
  private static final long MULTIPLIER = 0x9e37_79b9_7f4a_7c15L;

  private int claimLength;

  // Written by the device's thread. The driver's reads them when it has every buffer back: it has
  // then acquired the used ring, which the device releases after the frame is out.
  private long frames;
  private long digest;

  /**
   * @param wire what gives and takes; frames are at least {@link SourceBackend#MIN_FRAME} long
   */
  CheckedWire(NetBackend wire) {
    super(wire);
  }

  /** The digest of a frame more. */
  static long digest(long before, long mark) {
    return (before ^ mark) * MULTIPLIER;
  }

  /**
   * What goes into the digest for one frame.
   *
   * @param number the 8 bytes at {@link SourceBackend#NUMBER_OFFSET}, little-endian
   * @param last the last 8 bytes, likewise
   */
  static long mark(long number, long last, int length) {
    return number + Long.rotateLeft(last, 1) + length;
  }

  /** Frames that came out. */
  long frames() {
    return frames;
  }

  /** The digest of all of them; 0 before the first. */
  long digest() {
    return digest;
  }

  @Override
  public boolean claim(int length) {
    claimLength = length;
    return inner.claim(length);
  }

  @Override
  public void commit() {
    MemorySegment memory = inner.claimed();
    long offset = inner.claimedOffset();
    long number = memory.get(LE64, offset + SourceBackend.NUMBER_OFFSET);
    long last = memory.get(LE64, offset + claimLength - Long.BYTES);
    digest = digest(digest, mark(number, last, claimLength));
    frames++;
    inner.commit();
  }
}
