package dev.virtiolab.net.ring;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Frames on their way from one thread to one other, each behind its length of 4 bytes, big-endian:
 * the bytes of QEMU's stream framing. So a socket can be read into the ring and written from it,
 * many frames at a time, and a frame lies in one piece for whoever wants to look at it.
 *
 * <pre>
 *        head (consumer)            tail (published)      next        fill (bytes read so far)
 *          v                          v                     v           v
 *   +------+----+-------+----+--------+----+----------------+----+------+---------+
 *   | free |len | frame |len | frame  |len | frame, committ.|len | part | free    |
 *   +------+----+-------+----+--------+----+----------------+----+------+---------+
 * </pre>
 *
 * <p>Head, tail and next count bytes from the beginning of time and are masked at use. No frame
 * goes around the end of the memory: one that would is put at the beginning instead, and {@code
 * wrapAt} says where the frames of that lap end. Next can only reach the lap after the next one
 * once the head has left the lap before it, so that one such word is enough.
 *
 * <p>A frame with its length takes a quarter of the ring at most. So a ring that has been emptied
 * always has room, wherever in the memory its head is.
 *
 * <p>Whoever finds nothing to do leaves a note ({@code consumerWaits}, {@code headAwaited}) and
 * looks once more; the other side moves its index and then looks for the note. Both pairs are
 * volatile accesses, so at least one of the two sees the other, and no wake-up is lost.
 */
public final class WireRing {
  /** Bytes of a length. */
  public static final int PREFIX_BYTES = Integer.BYTES;

  /** What {@link #partLength()} says where the length itself is not there yet. */
  public static final int UNKNOWN = Integer.MIN_VALUE;

  private static final ValueLayout.OfInt LENGTH =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  private static final VarHandle HEAD = field("head", long.class);
  private static final VarHandle TAIL = field("tail", long.class);
  private static final VarHandle WRAP_AT = field("wrapAt", long.class);
  private static final VarHandle CONSUMER_WAITS = field("consumerWaits", boolean.class);
  private static final VarHandle HEAD_AWAITED = field("headAwaited", long.class);

  /** No head is awaited. */
  private static final long NONE = Long.MAX_VALUE;

  private static final int ALIGNMENT = 64;

  private final MemorySegment memory;
  private final int capacity;
  private final long mask;

  // Accessed through the VarHandles where the two threads meet.
  private long head;
  private long tail;
  private long wrapAt = -1;
  private boolean consumerWaits = true;
  private long headAwaited = NONE;

  // The producer's own: where the frame in work begins, the end of the last whole one, how far
  // bytes were filled in, where a claimed frame goes, and a head that it saw.
  private long next;
  private long ready;
  private long fill;
  private long claimed;
  private long headSeen;

  // The consumer's own: where it reads next, a tail that it saw, and its batch.
  private long first;
  private long tailSeen;
  private int batchBytes;
  private int batchFrames;

  /**
   * @param capacity bytes, a power of two
   * @param maxFrame bytes of the largest frame; with its length a quarter of the capacity at most
   */
  public WireRing(Arena arena, int capacity, int maxFrame) {
    if (Integer.bitCount(capacity) != 1 || maxFrame + PREFIX_BYTES > capacity / 4) {
      throw new IllegalArgumentException(
          "capacity=" + capacity + " must be a power of two and 4 x maxFrame=" + maxFrame);
    }
    this.capacity = capacity;
    mask = capacity - 1L;
    memory = arena.allocate(capacity, ALIGNMENT);
  }

  /** The ring's bytes. */
  public MemorySegment memory() {
    return memory;
  }

  // The producer's side, frame by frame.

  /**
   * Whether there is room for a frame; a note is left for the consumer where there is none.
   *
   * @param length bytes, from 1 to the largest frame
   */
  public boolean hasRoom(int length) {
    int need = PREFIX_BYTES + length;
    long lapEnd = lapEnd(next);
    claimed = next + need > lapEnd ? lapEnd : next;
    long end = claimed + need;
    if (end - headSeen <= capacity) {
      return true;
    }
    // Acquire: partner of the volatile store in advance(); the consumer has left those bytes.
    headSeen = (long) HEAD.getAcquire(this);
    return end - headSeen <= capacity || awaitHead(end - capacity);
  }

  /** Where the frame is to be written, once {@link #hasRoom(int)}. */
  public long writeOffset() {
    return (claimed & mask) + PREFIX_BYTES;
  }

  /**
   * The frame is complete.
   *
   * @param length bytes, not more than there was {@linkplain #hasRoom(int) room} for
   */
  public void commit(int length) {
    if (claimed != next) {
      WRAP_AT.setOpaque(this, next);
    }
    memory.set(LENGTH, claimed & mask, length);
    next = claimed + PREFIX_BYTES + length;
    ready = next;
    fill = next;
  }

  // The producer's side, as bytes come.

  /**
   * Bytes that may be filled in at {@link #windowOffset()}, which moves to the beginning of the
   * memory together with the part of a frame at its end, if need be.
   *
   * @return 0 if there is no room, and a note is left for the consumer: it is answered when half of
   *     the ring is free
   */
  public int window() {
    int room = roomForBytes();
    if (room == 0) {
      // Acquire: partner of the volatile store in advance(); the consumer has left those bytes.
      headSeen = (long) HEAD.getAcquire(this);
      room = roomForBytes();
    }
    if (room == 0 && awaitHead(Math.max(headNeeded(), next - capacity / 2))) {
      room = roomForBytes();
    }
    return room;
  }

  private int roomForBytes() {
    if (headSeen < headNeeded()) {
      return 0;
    }
    if (fill == lapEnd(next)) {
      // A part of a frame, at the end of the memory: the rest has to follow it in one piece.
      long part = fill - next;
      MemorySegment.copy(memory, next & mask, memory, 0, part);
      WRAP_AT.setOpaque(this, next);
      next = fill;
      fill = next + part;
    }
    return (int) (Math.min(lapEnd(next), headSeen + capacity) - fill);
  }

  /** Where the head has to be before one more byte can be filled in. */
  private long headNeeded() {
    long end = fill == lapEnd(next) ? fill + (fill - next) : fill;
    return end + 1 - capacity;
  }

  /** Where the next byte goes, once there is a {@link #window()}. */
  public long windowOffset() {
    return fill & mask;
  }

  /** So many bytes were filled in. */
  public void filled(int bytes) {
    fill += bytes;
  }

  /** Bytes of a frame, or of its length, that are there while the rest is not. */
  public int partBytes() {
    return (int) (fill - next);
  }

  /** Length of the frame that begins there, as the peer wrote it; {@link #UNKNOWN} before that. */
  public long partLength() {
    return fill - next < PREFIX_BYTES
        ? UNKNOWN
        : Integer.toUnsignedLong(memory.get(LENGTH, next & mask));
  }

  /**
   * Commits the frame that begins there if all of it is.
   *
   * @param length of the frame, from 1 to the largest
   */
  public boolean commitPart(int length) {
    if (fill - next < PREFIX_BYTES + length) {
      return false;
    }
    next += PREFIX_BYTES + length;
    ready = next;
    return true;
  }

  /** Forgets the frame of which only a part is there. */
  public void dropPart() {
    fill = next;
  }

  /**
   * Shows every committed frame to the consumer.
   *
   * @return whether the consumer waits to be told
   */
  public boolean publish() {
    if (ready == tail) {
      return false;
    }
    // Volatile: releases the bytes and wrapAt to look()'s acquire, and comes before the look at the
    // note that look() leaves.
    TAIL.setVolatile(this, ready);
    return (boolean) CONSUMER_WAITS.getVolatile(this)
        && CONSUMER_WAITS.compareAndSet(this, true, false);
  }

  /** Leaves a note; whether the head is there after all. */
  private boolean awaitHead(long position) {
    // Volatile, then a volatile look: partner of advance(), which does it the other way round.
    HEAD_AWAITED.setVolatile(this, position);
    headSeen = (long) HEAD.getVolatile(this);
    return headSeen >= position;
  }

  // The consumer's side, frame by frame.

  /** Length of the oldest published frame; 0, and a note for the producer, where there is none. */
  public int peek() {
    return look() ? memory.get(LENGTH, first & mask) : 0;
  }

  /** Where the frame that {@link #peek()} found begins. */
  public long readOffset() {
    return (first & mask) + PREFIX_BYTES;
  }

  /**
   * Leaves the oldest frame, which {@link #peek()} found.
   *
   * @return whether the producer waits to be told
   */
  public boolean release() {
    return advance(PREFIX_BYTES + memory.get(LENGTH, first & mask));
  }

  // The consumer's side, as bytes go.

  /**
   * The oldest frames that lie in one piece, their lengths included.
   *
   * @param limit bytes, which a single frame may exceed
   * @return bytes from {@link #batchOffset()} on; 0, and a note for the producer, if there are none
   */
  public int batch(int limit) {
    batchBytes = 0;
    batchFrames = 0;
    if (!look()) {
      return 0;
    }
    int available = (int) (lapDataEnd() - first);
    int bytes = 0;
    while (bytes < available) {
      int frame = PREFIX_BYTES + memory.get(LENGTH, first + bytes & mask);
      if (batchFrames > 0 && bytes + frame > limit) {
        break;
      }
      bytes += frame;
      batchFrames++;
    }
    batchBytes = bytes;
    return bytes;
  }

  /** Where the batch begins. */
  public long batchOffset() {
    return first & mask;
  }

  /** Frames in the batch. */
  public int batchFrames() {
    return batchFrames;
  }

  /**
   * Leaves the frames of the batch.
   *
   * @return whether the producer waits to be told
   */
  public boolean releaseBatch() {
    int bytes = batchBytes;
    batchBytes = 0;
    batchFrames = 0;
    return advance(bytes);
  }

  /** Whether there is a frame, at {@code first}. */
  private boolean look() {
    if (first == tailSeen) {
      // Acquire: partner of the volatile store in publish(); bytes and wrapAt are there.
      tailSeen = (long) TAIL.getAcquire(this);
      if (first == tailSeen) {
        // Volatile, then a volatile look: partner of publish(), the other way round.
        CONSUMER_WAITS.setVolatile(this, true);
        tailSeen = (long) TAIL.getVolatile(this);
        if (first == tailSeen) {
          return false;
        }
      }
    }
    if (tailSeen > lapEnd(first) && first == (long) WRAP_AT.getOpaque(this)) {
      first = lapEnd(first);
    }
    return true;
  }

  /** Where the published frames of the present lap end. */
  private long lapDataEnd() {
    long lapEnd = lapEnd(first);
    if (tailSeen <= lapEnd) {
      return tailSeen;
    }
    long wrap = (long) WRAP_AT.getOpaque(this);
    return wrap > first && wrap < lapEnd ? wrap : lapEnd;
  }

  private boolean advance(int bytes) {
    first += bytes;
    // Volatile: releases the bytes to the producer's acquire, and comes before the look at its
    // note.
    HEAD.setVolatile(this, first);
    long awaited = (long) HEAD_AWAITED.getVolatile(this);
    return first >= awaited && HEAD_AWAITED.compareAndSet(this, awaited, NONE);
  }

  /** The end of the lap that {@code position} is in. */
  private long lapEnd(long position) {
    return (position | mask) + 1;
  }

  private static VarHandle field(String name, Class<?> type) {
    try {
      return MethodHandles.lookup().findVarHandle(WireRing.class, name, type);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }
}
