package dev.virtiolab.net.bridge;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * What a bridge did with the frames of one port. Counted by the bridge's thread only, read by any.
 *
 * <p>Each frame that came in at the port is counted once, as relayed to one, flooded or filtered.
 * Each copy that did not go out at the port is counted once, by its reason. What did cross is in
 * the {@linkplain dev.virtiolab.net.BackendCounters counters} of the port's back end.
 */
public final class PortCounters {
  private static final VarHandle ELEMENT = MethodHandles.arrayElementVarHandle(long[].class);

  private static final int RELAYED = 0;
  private static final int FLOODED = 1;
  private static final int FILTERED = 2;
  private static final int NO_ROOM = 3;
  private static final int TOO_LONG = 4;
  private static final int LEARNED = 5;
  private static final int MOVED = 6;
  private static final int REPLACED = 7;
  private static final int COUNT = 8;

  private final long[] values = new long[COUNT];

  PortCounters() {}

  // ---- frames that came in here

  /** Came in for a station behind one other port, which is known. */
  public long relayed() {
    return value(RELAYED);
  }

  /** Came in for a group, or for a station that is not known: one copy to each other port. */
  public long flooded() {
    return value(FLOODED);
  }

  /**
   * Came in and go nowhere: for a station behind this port itself, for an address that no bridge
   * relays, or too short for a header.
   */
  public long filtered() {
    return value(FILTERED);
  }

  // ---- copies that did not go out here

  /** Dropped because the port had no room. */
  public long noRoom() {
    return value(NO_ROOM);
  }

  /** Dropped because the port takes no frames that long. */
  public long tooLong() {
    return value(TOO_LONG);
  }

  // ---- stations behind this port

  /** Stations heard for the first time, or after a silence. */
  public long learned() {
    return value(LEARNED);
  }

  /** Stations that came here from another port. */
  public long moved() {
    return value(MOVED);
  }

  /** Stations learned at the cost of another, for want of room. */
  public long replaced() {
    return value(REPLACED);
  }

  void countRelayed() {
    count(RELAYED);
  }

  void countFlooded() {
    count(FLOODED);
  }

  void countFiltered() {
    count(FILTERED);
  }

  void countNoRoom() {
    count(NO_ROOM);
  }

  void countTooLong() {
    count(TOO_LONG);
  }

  void count(FilteringDatabase.Learned learned) {
    switch (learned) {
      case KNOWN -> {}
      case NEW -> count(LEARNED);
      case MOVED -> count(MOVED);
      case REPLACED -> {
        count(LEARNED);
        count(REPLACED);
      }
    }
  }

  private long value(int index) {
    return (long) ELEMENT.getOpaque(values, index);
  }

  private void count(int index) {
    ELEMENT.setOpaque(values, index, values[index] + 1);
  }
}
