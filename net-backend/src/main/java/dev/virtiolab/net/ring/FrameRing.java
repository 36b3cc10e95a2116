package dev.virtiolab.net.ring;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Frames on their way from one thread to one other: a ring of equal slots in native memory.
 *
 * <pre>
 *        head (consumer)         tail (published)     next (producer's own)
 *          v                        v                     v
 *   +------+------+------+------+------+------+------+------+------+
 *   | free | full | full | full | comm.| comm.| comm.| free | free |
 *   +------+------+------+------+------+------+------+------+------+
 * </pre>
 *
 * <p>Head, tail and next count slots from the beginning of time and are masked at use. Commits move
 * {@code next}; {@link #publish} moves the tail there, once per batch.
 *
 * <p>Whoever finds nothing to do leaves a note ({@code consumerWaits}, {@code producerWaits}) and
 * looks once more; the other side moves its index and then looks for the note. Both pairs are
 * volatile accesses, so at least one of the two sees the other, and no wake-up is lost.
 */
public final class FrameRing {
  private static final VarHandle HEAD = field("head", long.class);
  private static final VarHandle TAIL = field("tail", long.class);
  private static final VarHandle CONSUMER_WAITS = field("consumerWaits", boolean.class);
  private static final VarHandle PRODUCER_WAITS = field("producerWaits", boolean.class);

  private static final int SLOT_ALIGNMENT = 64;

  private final MemorySegment memory;
  private final int[] lengths;
  private final long slotBytes;
  private final int slots;
  private final int mask;

  // Accessed through the VarHandles where the two threads meet.
  private long head;
  private long tail;
  private boolean consumerWaits = true;
  private boolean producerWaits;

  // The producer's own: where it writes next, and a head that it saw.
  private long next;
  private long headSeen;

  // The consumer's own: where it reads next, and a tail that it saw.
  private long first;
  private long tailSeen;

  /**
   * @param slots a power of two
   * @param maxFrame bytes per frame
   */
  public FrameRing(Arena arena, int slots, int maxFrame) {
    if (slots < 1 || Integer.bitCount(slots) != 1) {
      throw new IllegalArgumentException("frames must be a power of two, got " + slots);
    }
    this.slots = slots;
    mask = slots - 1;
    lengths = new int[slots];
    slotBytes = (maxFrame + SLOT_ALIGNMENT - 1L) / SLOT_ALIGNMENT * SLOT_ALIGNMENT;
    memory = arena.allocate(slotBytes * slots, SLOT_ALIGNMENT);
  }

  /** All slots. */
  public MemorySegment memory() {
    return memory;
  }

  // The producer's side.

  /** Whether a slot is free; a note is left for the consumer where none is. */
  public boolean hasRoom() {
    if (next - headSeen < slots) {
      return true;
    }
    // Acquire: partner of the volatile store in release(); the consumer has left the slot.
    headSeen = (long) HEAD.getAcquire(this);
    if (next - headSeen < slots) {
      return true;
    }
    // Volatile, then a volatile look: partner of release(), which does it the other way round.
    PRODUCER_WAITS.setVolatile(this, true);
    headSeen = (long) HEAD.getVolatile(this);
    return next - headSeen < slots;
  }

  /** Where the next frame is to be written, once {@link #hasRoom()}. */
  public long writeOffset() {
    return (next & mask) * slotBytes;
  }

  /** The frame of {@code length} bytes at {@link #writeOffset()} is complete. */
  public void commit(int length) {
    lengths[(int) next & mask] = length;
    next++;
  }

  /**
   * Shows every committed frame to the consumer.
   *
   * @return whether the consumer waits to be told
   */
  public boolean publish() {
    if (next == tail) {
      return false;
    }
    // Volatile: releases lengths and bytes to peek()'s acquire, and comes before the look at the
    // note that peek() leaves.
    TAIL.setVolatile(this, next);
    return (boolean) CONSUMER_WAITS.getVolatile(this)
        && CONSUMER_WAITS.compareAndSet(this, true, false);
  }

  // The consumer's side.

  /** Length of the oldest published frame; 0, and a note for the producer, where there is none. */
  public int peek() {
    if (first == tailSeen) {
      // Acquire: partner of the volatile store in publish(); lengths and bytes are there.
      tailSeen = (long) TAIL.getAcquire(this);
      if (first == tailSeen) {
        // Volatile, then a volatile look: partner of publish(), the other way round.
        CONSUMER_WAITS.setVolatile(this, true);
        tailSeen = (long) TAIL.getVolatile(this);
        if (first == tailSeen) {
          return 0;
        }
      }
    }
    return lengths[(int) first & mask];
  }

  /** Where the frame that {@link #peek()} found begins. */
  public long readOffset() {
    return (first & mask) * slotBytes;
  }

  /**
   * Frees the slot of the oldest frame.
   *
   * @return whether the producer waits to be told
   */
  public boolean release() {
    first++;
    // Volatile: releases the slot to hasRoom()'s acquire, and comes before the look at its note.
    HEAD.setVolatile(this, first);
    return (boolean) PRODUCER_WAITS.getVolatile(this)
        && PRODUCER_WAITS.compareAndSet(this, true, false);
  }

  private static VarHandle field(String name, Class<?> type) {
    try {
      return MethodHandles.lookup().findVarHandle(FrameRing.class, name, type);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }
}
