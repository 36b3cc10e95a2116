package dev.virtiolab.net;

import dev.virtiolab.net.ring.Claims;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * A wire that always has another frame to give, for measuring: all of one length, each with a
 * number of its own. Towards the wire it is a {@link SinkBackend}.
 *
 * <pre>
 *   0             6             12      14                22
 *  +-------------+-------------+-------+-----------------+-------------
 *  | destination | source      | 88 b5 | number, LE, 0.. | zeros ...
 *  +-------------+-------------+-------+-----------------+-------------
 * </pre>
 *
 * <p>88b5 is the EtherType that IEEE 802 keeps for local experiments.
 */
public final class SourceBackend implements NetBackend {
  /** Where a frame bears its number: 8 bytes, little-endian, the first frame's is 0. */
  public static final int NUMBER_OFFSET = 14;

  /** The shortest frame: it ends with its number. */
  public static final int MIN_FRAME = NUMBER_OFFSET + Long.BYTES;

  /** Frames lie in memory of their own until so many others have followed. */
  private static final int FRAMES = 64;

  private static final int ETHERTYPE_OFFSET = 12;
  private static final short ETHERTYPE_EXPERIMENTAL = (short) 0x88b5;
  private static final int SLOT_ALIGNMENT = 64;
  private static final ValueLayout.OfLong LE64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort BE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  private final Arena arena = Arena.ofShared();
  private final SinkBackend sink = new SinkBackend();
  private final MemorySegment memory;
  private final int frameBytes;
  private final int slotBytes;

  private long next;
  private int peekLength;
  private boolean closed;

  /**
   * @param destination 6 bytes
   * @param source 6 bytes
   * @param frameBytes from {@link #MIN_FRAME} to {@link #LARGEST_FRAME}
   */
  public SourceBackend(byte[] destination, byte[] source, int frameBytes) {
    if (frameBytes < MIN_FRAME || frameBytes > LARGEST_FRAME) {
      throw new IllegalArgumentException(
          "frameBytes=" + frameBytes + ", from " + MIN_FRAME + " to " + LARGEST_FRAME);
    }
    this.frameBytes = frameBytes;
    slotBytes = (frameBytes + SLOT_ALIGNMENT - 1) / SLOT_ALIGNMENT * SLOT_ALIGNMENT;
    memory = arena.allocate((long) FRAMES * slotBytes, SLOT_ALIGNMENT);
    for (int i = 0; i < FRAMES; i++) {
      long at = (long) i * slotBytes;
      MemorySegment.copy(destination, 0, memory, ValueLayout.JAVA_BYTE, at, destination.length);
      MemorySegment.copy(
          source, 0, memory, ValueLayout.JAVA_BYTE, at + destination.length, source.length);
      memory.set(BE16, at + ETHERTYPE_OFFSET, ETHERTYPE_EXPERIMENTAL);
    }
  }

  /** What the NIC sends ends here. */
  public SinkBackend sink() {
    return sink;
  }

  /** Never 0. */
  @Override
  public int peek() {
    if (peekLength == 0) {
      memory.set(LE64, peekedOffset() + NUMBER_OFFSET, next);
      peekLength = frameBytes;
    }
    return peekLength;
  }

  @Override
  public MemorySegment peeked() {
    return memory;
  }

  @Override
  public long peekedOffset() {
    return (next & FRAMES - 1) * slotBytes;
  }

  @Override
  public void release() {
    Claims.checkPeeked(peekLength);
    counters().received(peekLength);
    peekLength = 0;
    next++;
  }

  @Override
  public int maxFrameLength() {
    return sink.maxFrameLength();
  }

  @Override
  public boolean claim(int length) {
    return sink.claim(length);
  }

  @Override
  public MemorySegment claimed() {
    return sink.claimed();
  }

  @Override
  public long claimedOffset() {
    return sink.claimedOffset();
  }

  @Override
  public void commit() {
    sink.commit();
  }

  @Override
  public void abort() {
    sink.abort();
  }

  @Override
  public void flush() {
    sink.flush();
  }

  /** There is none. */
  @Override
  public int readableFd() {
    return -1;
  }

  /** Never run: there is always room, and a frame is always there. */
  @Override
  public void onReady(Runnable wake) {}

  @Override
  public boolean linkUp() {
    return true;
  }

  /** Of both directions. */
  @Override
  public BackendCounters counters() {
    return sink.counters();
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      sink.close();
      arena.close();
    }
  }
}
