package dev.virtiolab.net;

import dev.virtiolab.net.ring.Claims;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A wire that leads nowhere: takes every frame, has none to give. Each frame ends up in memory of
 * its own until as many others have followed as the sink remembers, so that the copy out of guest
 * memory is real and can be looked at.
 */
public final class SinkBackend implements NetBackend {
  /** How many frames a sink remembers unless it is told otherwise. */
  public static final int DEFAULT_FRAMES = 64;

  private final Arena arena = Arena.ofShared();
  private final BackendCounters counters = new BackendCounters();
  private final MemorySegment memory;
  private final int[] lengths;
  private final int mask;
  private final int maxFrame;

  private long next;
  private int claimLength;
  private boolean closed;

  /** A sink for frames of any size. */
  public SinkBackend() {
    this(DEFAULT_FRAMES, LARGEST_FRAME);
  }

  /**
   * @param frames how many to remember, a power of two
   * @param maxFrame the largest frame in bytes
   */
  public SinkBackend(int frames, int maxFrame) {
    if (frames < 1 || Integer.bitCount(frames) != 1) {
      throw new IllegalArgumentException("frames must be a power of two, got " + frames);
    }
    this.maxFrame = maxFrame;
    mask = frames - 1;
    lengths = new int[frames];
    memory = arena.allocate((long) frames * maxFrame, Long.BYTES);
  }

  /**
   * A copy of a frame that was sent, by the device's thread or once that has stopped.
   *
   * @param age 0 for the last one, 1 for the one before
   * @return null where there is none, or none that is remembered
   */
  public byte[] recent(int age) {
    if (age < 0 || age > mask || age >= next) {
      return null;
    }
    long frame = next - 1 - age;
    byte[] copy = new byte[lengths[(int) frame & mask]];
    MemorySegment.copy(memory, ValueLayout.JAVA_BYTE, offset(frame), copy, 0, copy.length);
    return copy;
  }

  @Override
  public int maxFrameLength() {
    return maxFrame;
  }

  /** Never refused. */
  @Override
  public boolean claim(int length) {
    Claims.checkClaim(claimLength, length, maxFrame);
    claimLength = length;
    return true;
  }

  @Override
  public MemorySegment claimed() {
    return memory;
  }

  @Override
  public long claimedOffset() {
    return offset(next);
  }

  @Override
  public void commit() {
    Claims.checkOpen(claimLength);
    lengths[(int) next & mask] = claimLength;
    next++;
    counters.sent(claimLength);
    claimLength = 0;
  }

  @Override
  public void abort() {
    Claims.checkOpen(claimLength);
    claimLength = 0;
  }

  @Override
  public void flush() {}

  @Override
  public int peek() {
    return 0;
  }

  @Override
  public MemorySegment peeked() {
    return MemorySegment.NULL;
  }

  @Override
  public long peekedOffset() {
    return 0;
  }

  @Override
  public void release() {
    Claims.checkPeeked(0);
  }

  /** There is none. */
  @Override
  public int readableFd() {
    return -1;
  }

  /** Never run: there is always room and never a frame. */
  @Override
  public void onReady(Runnable wake) {}

  @Override
  public boolean linkUp() {
    return true;
  }

  @Override
  public BackendCounters counters() {
    return counters;
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      arena.close();
    }
  }

  private long offset(long frame) {
    return (frame & mask) * maxFrame;
  }
}
