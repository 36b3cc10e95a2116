package dev.virtiolab.net.fault;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * How many frames came, what befell them, and where they are. The device's thread writes, any may
 * read; when nothing moves, each way:
 *
 * <pre>
 *   frames + duplicated - copy_dropped = passed + dropped + waiting
 * </pre>
 */
public final class FaultCounters {
  private static final VarHandle ELEMENT = MethodHandles.arrayElementVarHandle(long[].class);

  private static final int DIRECTIONS = Direction.values().length;
  private static final Fault[] ALL = Fault.values();
  private static final int FAULTS = ALL.length;

  // One row for each direction: a number for each fault, then these.
  private static final int FRAMES = FAULTS;
  private static final int PASSED = FAULTS + 1;
  private static final int WAITING = FAULTS + 2;
  private static final int WAITING_BYTES = FAULTS + 3;
  private static final int ROW = FAULTS + 4;

  private final long[] values = new long[DIRECTIONS * ROW];

  FaultCounters() {}

  /** Frames that came, from the NIC or from the wire: the number of the last one. */
  public long frames(Direction direction) {
    return value(direction, FRAMES);
  }

  /** Frames and copies handed on: taken by the wire, or by the NIC. */
  public long passed(Direction direction) {
    return value(direction, PASSED);
  }

  /** Frames that this befell; for {@link Fault#COPY_DROPPED}, copies. */
  public long count(Direction direction, Fault fault) {
    return value(direction, fault.ordinal());
  }

  /** Frames dropped, for whatever reason. */
  public long dropped(Direction direction) {
    long sum = 0;
    for (int i = 0; i < FAULTS; i++) {
      if (ALL[i].isDrop()) {
        sum += value(direction, i);
      }
    }
    return sum;
  }

  /** Frames and copies under way now. */
  public long waiting(Direction direction) {
    return value(direction, WAITING);
  }

  /** Bytes of them. */
  public long waitingBytes(Direction direction) {
    return value(direction, WAITING_BYTES);
  }

  // The device's thread.

  void came(Direction direction, long number) {
    set(direction, FRAMES, number);
  }

  void handedOn(Direction direction) {
    set(direction, PASSED, values[direction.ordinal() * ROW + PASSED] + 1);
  }

  void befell(Direction direction, Fault fault) {
    int index = fault.ordinal();
    set(direction, index, values[direction.ordinal() * ROW + index] + 1);
  }

  void waiting(Direction direction, long frames, long bytes) {
    set(direction, WAITING, frames);
    set(direction, WAITING_BYTES, bytes);
  }

  private long value(Direction direction, int index) {
    return (long) ELEMENT.getOpaque(values, direction.ordinal() * ROW + index);
  }

  private void set(Direction direction, int index, long value) {
    // One writer. Opaque, so that a reader sees whole, fresh values.
    ELEMENT.setOpaque(values, direction.ordinal() * ROW + index, value);
  }
}
