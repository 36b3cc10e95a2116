package dev.virtiolab.net.fault;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;

/**
 * One direction: numbers the frames, judges each, and keeps those that are under way. Of the
 * device's thread.
 */
final class Lane {
  private static final ValueLayout.OfInt BE32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
  private static final ValueLayout.OfShort BE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  // IEEE 802.3-2022, 3.1.1 "Packet format": destination, then source.
  private static final int DESTINATION = 0;
  private static final int SOURCE = 6;
  private static final int ADDRESSES_BYTES = 12;

  private static final long NANOS_PER_SECOND = 1_000_000_000;

  private final Direction direction;
  private final Dice dice;
  private final FaultCounters counters;
  private final FaultJournal journal;
  private final Arena arena;
  private final int maxFrame;

  private FaultRules rules = FaultRules.NONE;
  private boolean cable = true;
  private boolean quiet = true;
  private boolean keeps;

  /** Made when a frame first has to be kept. */
  private DelayLine line;

  /** Room for one frame; made with {@link #line}. */
  private MemorySegment scratch;

  private FaultObserver observer = FaultObserver.NONE;

  /** Of the frame that came last. */
  private long number;

  /** The highest that was handed on. */
  private long highest;

  /** When the wire has carried what came so far. */
  private long carriedNanos;

  /** When the last frame is due that was not held back. */
  private long lastDueNanos;

  Lane(
      Direction direction,
      long seed,
      FaultCounters counters,
      FaultJournal journal,
      Arena arena,
      int maxFrame) {
    this.direction = direction;
    this.counters = counters;
    this.journal = journal;
    this.arena = arena;
    this.maxFrame = maxFrame;
    dice = new Dice(seed, direction);
  }

  /** These rules hold from the next frame on. */
  void adopt(FaultRules next, boolean cableIn, FaultObserver told) {
    rules = next;
    cable = cableIn;
    observer = told;
    quiet = next.isQuiet() && cableIn;
    // A frame of the wire's is not ours to write: one that is to be corrupted is copied.
    keeps = next.isQueued() || direction == Direction.IN && next.corruption() > 0;
    if (keeps) {
      if (line == null) {
        line = new DelayLine(arena);
        scratch = arena.allocate(maxFrame, Long.BYTES);
      }
      line.reserve(next.limitFrames());
    }
  }

  /** Whether nothing befalls the next frame, and it waits for nobody. */
  boolean isQuiet() {
    return quiet && !isWaiting();
  }

  /** Whether the next frame goes into the line: it is to be kept, or others are before it. */
  boolean isKept() {
    return keeps || isWaiting();
  }

  /**
   * Whether a frame can be {@linkplain #keep kept}, be it to be dropped at once: one that only has
   * to wait for those before it is not dropped for want of room.
   */
  boolean takes(int length) {
    return keeps || hasRoom(length);
  }

  boolean isWaiting() {
    return line != null && !line.isEmpty();
  }

  /** Room for a frame that will be {@linkplain #keep kept}. */
  MemorySegment scratch() {
    return scratch;
  }

  /** A frame came to which nothing is done. */
  void came() {
    counters.came(direction, ++number);
    highest = number;
  }

  /** A frame was handed on. */
  void passed() {
    counters.handedOn(direction);
  }

  /**
   * A frame came that is not kept, and is judged.
   *
   * @return whether it goes on
   */
  boolean judge(long now, MemorySegment frame, long at, int length) {
    counters.came(direction, ++number);
    Fault drop = dropReason(frame, at, length);
    if (drop != null) {
      note(now, drop, number, -1, frame, at, length);
      return false;
    }
    if (direction == Direction.OUT && happens(rules.corruption(), Dice.CORRUPTION)) {
      corrupt(now, frame, at, length);
    }
    highest = number;
    return true;
  }

  /** A frame came that is judged, and kept if it is not dropped. */
  void keep(long now, MemorySegment frame, long at, int length) {
    counters.came(direction, ++number);
    Fault drop = dropReason(frame, at, length);
    if (drop == null && !hasRoom(length)) {
      drop = Fault.OVERFLOWED;
    }
    if (drop != null) {
      note(now, drop, number, -1, frame, at, length);
      return;
    }
    MemorySegment from = frame;
    long offset = at;
    if (happens(rules.corruption(), Dice.CORRUPTION)) {
      if (from != scratch) {
        MemorySegment.copy(frame, at, scratch, 0, length);
        from = scratch;
        offset = 0;
      }
      corrupt(now, from, offset, length);
    }
    long due = due(now, length);
    line.add(due, number, false, from, offset, length);
    if (happens(rules.duplication(), Dice.DUPLICATION)) {
      note(now, Fault.DUPLICATED, number, -1, from, offset, length);
      if (hasRoom(length)) {
        line.add(due, number, true, from, offset, length);
      } else {
        note(now, Fault.COPY_DROPPED, number, -1, from, offset, length);
      }
    }
    count();
  }

  private boolean hasRoom(int length) {
    return line.frames() < rules.limitFrames() && line.fits(length);
  }

  private boolean happens(double probability, int question) {
    return probability > 0 && dice.roll(number, question) < probability;
  }

  /** Why the present frame is dropped; null if it is not. */
  private Fault dropReason(MemorySegment frame, long at, int length) {
    if (!cable) {
      return Fault.LINK_DOWN;
    }
    if (rules.blocked() || isSeparated(frame, at, length)) {
      return Fault.PARTITIONED;
    }
    return happens(rules.loss(), Dice.LOSS) ? Fault.LOST : null;
  }

  private boolean isSeparated(MemorySegment frame, long at, int length) {
    List<MacPair> pairs = rules.separated();
    List<Long> silenced = rules.silenced();
    if (pairs.isEmpty() && silenced.isEmpty() || length < ADDRESSES_BYTES) {
      return false;
    }
    long destination = address(frame, at + DESTINATION);
    long source = address(frame, at + SOURCE);
    for (int i = 0; i < silenced.size(); i++) {
      if (silenced.get(i) == source) {
        return true;
      }
    }
    for (int i = 0; i < pairs.size(); i++) {
      if (pairs.get(i).joins(source, destination)) {
        return true;
      }
    }
    return false;
  }

  private static long address(MemorySegment frame, long at) {
    return Integer.toUnsignedLong(frame.get(BE32, at)) << Short.SIZE
        | Short.toUnsignedLong(frame.get(BE16, at + Integer.BYTES));
  }

  private void corrupt(long now, MemorySegment frame, long at, int length) {
    int bit = (int) (dice.roll(number, Dice.BIT) * length * Byte.SIZE);
    DelayLine.flip(frame, at, bit);
    note(now, Fault.CORRUPTED, number, bit, frame, at, length);
  }

  /** When the present frame arrives. */
  private long due(long now, int length) {
    long carried = now;
    if (rules.bitsPerSecond() > 0) {
      carried =
          Math.max(now, carriedNanos)
              + (long) length * Byte.SIZE * NANOS_PER_SECOND / rules.bitsPerSecond();
      carriedNanos = carried;
    }
    long delay = rules.delayNanos();
    if (rules.jitterNanos() > 0) {
      double most = 2 * dice.roll(number, Dice.JITTER) - 1;
      delay = Math.max(0, delay + (long) (most * rules.jitterNanos()));
    }
    long due = Math.max(carried + delay, lastDueNanos);
    if (happens(rules.reordering(), Dice.REORDERING)) {
      return due + rules.holdNanos();
    }
    lastDueNanos = due;
    return due;
  }

  // ---- what is under way

  /** When the next one is due; {@link Alarm#NEVER} if nothing is under way. */
  long nextDue() {
    return isWaiting() ? line.due() : Alarm.NEVER;
  }

  /** Length of the next one, if it is due; else 0. */
  int dueLength(long now) {
    return isWaiting() && line.due() <= now ? line.length() : 0;
  }

  /** Hands the next one on: its bytes go there, and it is no longer under way. */
  void deliver(long now, MemorySegment into, long at) {
    int length = line.length();
    long delivered = line.number();
    line.load(into, at);
    if (delivered < highest && !line.isCopy()) {
      note(now, Fault.REORDERED, delivered, -1, into, at, length);
    }
    highest = Math.max(highest, delivered);
    line.remove();
    count();
  }

  /** The cable was pulled: what is under way is lost. */
  void cut(long now) {
    while (isWaiting()) {
      line.load(scratch, 0);
      Fault fault = line.isCopy() ? Fault.COPY_DROPPED : Fault.LINK_DOWN;
      note(now, fault, line.number(), -1, scratch, 0, line.length());
      line.remove();
    }
    carriedNanos = now;
    lastDueNanos = now;
    if (line != null) {
      count();
    }
  }

  private void count() {
    counters.waiting(direction, line.frames(), line.bytes());
  }

  private void note(
      long now, Fault fault, long of, int bit, MemorySegment frame, long at, int length) {
    counters.befell(direction, fault);
    journal.add(now, direction, of, fault, bit);
    observer.befell(direction, of, fault, frame, at, length);
  }
}
