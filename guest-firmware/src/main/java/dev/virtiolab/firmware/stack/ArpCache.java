package dev.virtiolab.firmware.stack;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The neighbours, and what waits for them.
 *
 * <pre>{@code
 *          lookup               answer
 * (none) ----------> RESOLVING --------> KNOWN <--+
 *                        |                 |  |   | answer
 *          asked 3 times |                 |  +---+ asked again, when old and in use
 *          for nothing   |                 |
 *                        v                 v not refreshed for a minute
 *                      (none)            (none)
 * }</pre>
 *
 * <p>An address that is old but not expired is used while it is asked for again, so that a steady
 * stream never stalls. Neighbours, and datagrams that wait for one, are bounded.
 */
final class ArpCache {
  static final int NEIGHBOURS = 32;
  static final int WAITING_PER_NEIGHBOUR = 3;
  static final long EXPIRY_NANOS = 60_000_000_000L;
  static final long REFRESH_NANOS = 45_000_000_000L;
  static final long ASK_INTERVAL_NANOS = 1_000_000_000L;
  static final int MAX_ASKS = 3;

  private enum State {
    FREE,
    RESOLVING,
    KNOWN
  }

  /**
   * A datagram that waits: whom it is for, its protocol, whether to leave it whole, its payload.
   */
  record Waiting(int destination, int protocol, boolean dontFragment, byte[] payload) {}

  /** One neighbour. */
  static final class Neighbour {
    private final Waiting[] waiting = new Waiting[WAITING_PER_NEIGHBOUR];
    private State state = State.FREE;
    private int address;
    private long hardware;
    private long bornNanos;
    private long askedNanos;
    private int asks;
    private int waitingCount;

    int address() {
      return address;
    }

    /** Its Ethernet address, once {@link #isKnown()}. */
    long hardware() {
      return hardware;
    }

    boolean isKnown() {
      return state == State.KNOWN;
    }

    /** The datagram that has waited longest; null if none waits. */
    Waiting firstWaiting() {
      return waitingCount == 0 ? null : waiting[0];
    }

    void removeFirstWaiting() {
      System.arraycopy(waiting, 1, waiting, 0, WAITING_PER_NEIGHBOUR - 1);
      waiting[WAITING_PER_NEIGHBOUR - 1] = null;
      waitingCount--;
    }
  }

  private final Neighbour[] neighbours = new Neighbour[NEIGHBOURS];
  private final StackCounters counters;
  private int waitingInAll;

  ArpCache(StackCounters counters) {
    this.counters = counters;
    for (int i = 0; i < neighbours.length; i++) {
      neighbours[i] = new Neighbour();
    }
  }

  /** The neighbour that has {@code address}, known or not yet; a new one where there is none. */
  Neighbour lookup(int address, long nowNanos) {
    Neighbour neighbour = find(address);
    if (neighbour != null && isExpired(neighbour, nowNanos)) {
      free(neighbour);
      neighbour = null;
    }
    return neighbour != null ? neighbour : open(address, nowNanos);
  }

  /**
   * Whether to ask for {@code neighbour} now; if so, it counts as asked. True for a new one, for
   * one that did not answer within {@link #ASK_INTERVAL_NANOS}, and for one that is old.
   */
  boolean shouldAsk(Neighbour neighbour, long nowNanos) {
    boolean due = neighbour.asks == 0 || nowNanos - neighbour.askedNanos >= ASK_INTERVAL_NANOS;
    boolean wanted =
        switch (neighbour.state) {
          case RESOLVING -> neighbour.asks < MAX_ASKS;
          case KNOWN -> nowNanos - neighbour.bornNanos >= REFRESH_NANOS;
          case FREE -> false;
        };
    if (!due || !wanted) {
      return false;
    }
    neighbour.askedNanos = nowNanos;
    neighbour.asks++;
    return true;
  }

  /**
   * Keeps a datagram until the neighbour is known; the oldest makes way where there are too many.
   */
  void await(
      Neighbour neighbour,
      int destination,
      int protocol,
      boolean dontFragment,
      MemorySegment bytes,
      int length) {
    if (neighbour.waitingCount == WAITING_PER_NEIGHBOUR) {
      neighbour.removeFirstWaiting();
      waitingInAll--;
      counters.increment(StackCounter.ARP_WAITING_DROPPED);
    }
    byte[] payload = bytes.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
    neighbour.waiting[neighbour.waitingCount] =
        new Waiting(destination, protocol, dontFragment, payload);
    neighbour.waitingCount++;
    waitingInAll++;
  }

  /** The datagram that {@link Neighbour#firstWaiting()} showed has been sent. */
  void removeFirstWaiting(Neighbour neighbour) {
    neighbour.removeFirstWaiting();
    waitingInAll--;
  }

  /** A known neighbour for whom something waits; null if there is none. */
  Neighbour nextToServe() {
    if (waitingInAll == 0) {
      return null;
    }
    for (Neighbour neighbour : neighbours) {
      if (neighbour.state == State.KNOWN && neighbour.waitingCount > 0) {
        return neighbour;
      }
    }
    return null;
  }

  /** Notes where {@code address} is: RFC 826, "Packet Reception", the merge. */
  void merge(int address, long hardware, boolean addIfAbsent, long nowNanos) {
    Neighbour neighbour = find(address);
    if (neighbour == null) {
      if (!addIfAbsent) {
        return;
      }
      neighbour = open(address, nowNanos);
    }
    neighbour.state = State.KNOWN;
    neighbour.hardware = hardware;
    neighbour.bornNanos = nowNanos;
    neighbour.asks = 0;
  }

  /** Neighbour {@code index} below {@link #NEIGHBOURS} if it is asked for; null otherwise. */
  Neighbour resolving(int index) {
    Neighbour neighbour = neighbours[index];
    return neighbour.state == State.RESOLVING ? neighbour : null;
  }

  /** Forgets who did not answer and who has not been heard of for too long. */
  void expire(long nowNanos) {
    for (Neighbour neighbour : neighbours) {
      if (isExpired(neighbour, nowNanos)) {
        if (neighbour.state == State.RESOLVING) {
          counters.increment(StackCounter.ARP_UNANSWERED);
        }
        free(neighbour);
      }
    }
  }

  private static boolean isExpired(Neighbour neighbour, long nowNanos) {
    return switch (neighbour.state) {
      case FREE -> false;
      case RESOLVING ->
          neighbour.asks >= MAX_ASKS && nowNanos - neighbour.askedNanos >= ASK_INTERVAL_NANOS;
      case KNOWN -> neighbour.waitingCount == 0 && nowNanos - neighbour.bornNanos >= EXPIRY_NANOS;
    };
  }

  private Neighbour find(int address) {
    for (Neighbour neighbour : neighbours) {
      if (neighbour.state != State.FREE && neighbour.address == address) {
        return neighbour;
      }
    }
    return null;
  }

  private Neighbour open(int address, long nowNanos) {
    Neighbour best = neighbours[0];
    for (Neighbour neighbour : neighbours) {
      if (neighbour.state == State.FREE) {
        best = neighbour;
        break;
      }
      if (neighbour.bornNanos - best.bornNanos < 0) {
        best = neighbour;
      }
    }
    if (best.state != State.FREE) {
      counters.increment(StackCounter.ARP_EVICTED);
      free(best);
    }
    best.state = State.RESOLVING;
    best.address = address;
    best.bornNanos = nowNanos;
    best.asks = 0;
    return best;
  }

  private void free(Neighbour neighbour) {
    while (neighbour.waitingCount > 0) {
      removeFirstWaiting(neighbour);
      counters.increment(StackCounter.ARP_WAITING_DROPPED);
    }
    neighbour.state = State.FREE;
  }
}
