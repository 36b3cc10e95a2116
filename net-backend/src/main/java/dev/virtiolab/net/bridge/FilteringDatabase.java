package dev.virtiolab.net.bridge;

import java.util.Arrays;

/**
 * Behind which port each station was heard last (IEEE 802.1D-2004, 7.9 "The Filtering Database";
 * dynamic entries only).
 *
 * <p>As in the silicon of a switch, an address hashes to a bucket of {@value #WAYS} entries, so
 * that no station, however it chooses its addresses, costs more than that many compares, and the
 * size is fixed. Where a bucket is full the newcomer takes the place of the longest silent entry of
 * the port that holds the most of the bucket, its own where it holds as many (7.8 allows to remove
 * an entry for a new one): a port that invents stations ends up replacing its own inventions, not
 * the stations of others.
 */
public final class FilteringDatabase {
  /** Entries in a bucket. */
  public static final int WAYS = 8;

  /** No port. */
  public static final int NOWHERE = -1;

  /** Multiplier of Fibonacci hashing: 2^64 divided by the golden ratio. */
  private static final long SPREAD = 0x9E37_79B9_7F4A_7C15L;

  private final int bucketBits;
  private final long ageingNanos;
  private final long[] stations;
  private final int[] ports;
  private final long[] heardNanos;

  /**
   * @param capacity entries, a power of two, at least {@value #WAYS}
   * @param ageingNanos how long a silent station is remembered
   */
  public FilteringDatabase(int capacity, long ageingNanos) {
    if (capacity < WAYS || Integer.bitCount(capacity) != 1) {
      throw new IllegalArgumentException(
          "capacity must be a power of two from " + WAYS + ", got " + capacity);
    }
    this.ageingNanos = ageingNanos;
    bucketBits = Integer.numberOfTrailingZeros(capacity / WAYS);
    stations = new long[capacity];
    ports = new int[capacity];
    heardNanos = new long[capacity];
    Arrays.fill(ports, NOWHERE);
  }

  /** What {@link #learn} did. */
  public enum Learned {
    /** The station is where it was. */
    KNOWN,
    /** It was heard for the first time, or after a long silence. */
    NEW,
    /** It has moved here from another port. */
    MOVED,
    /** It is new, and another station had to go. */
    REPLACED
  }

  /** The port of a station; {@link #NOWHERE} if it is not known, or was silent for too long. */
  public int portOf(long station, long nowNanos) {
    int entry = find(station);
    return entry >= 0 && isFresh(entry, nowNanos) ? ports[entry] : NOWHERE;
  }

  /** A station was heard behind {@code port}. */
  public Learned learn(long station, int port, long nowNanos) {
    int entry = find(station);
    Learned outcome;
    if (entry < 0) {
      entry = vacate(bucketOf(station) * WAYS, port, nowNanos);
      outcome =
          ports[entry] == NOWHERE || !isFresh(entry, nowNanos) ? Learned.NEW : Learned.REPLACED;
    } else if (!isFresh(entry, nowNanos)) {
      outcome = Learned.NEW;
    } else {
      outcome = ports[entry] == port ? Learned.KNOWN : Learned.MOVED;
    }
    stations[entry] = station;
    ports[entry] = port;
    heardNanos[entry] = nowNanos;
    return outcome;
  }

  /** Forgets every station behind {@code port}. */
  public void forget(int port) {
    for (int entry = 0; entry < ports.length; entry++) {
      if (ports[entry] == port) {
        ports[entry] = NOWHERE;
      }
    }
  }

  /** Which bucket an address belongs to, from 0. */
  int bucketOf(long station) {
    // A shift by 64 would be one by 0.
    return bucketBits == 0 ? 0 : (int) (station * SPREAD >>> (Long.SIZE - bucketBits));
  }

  /** The entry of a station, fresh or not; -1 if there is none. */
  private int find(long station) {
    int first = bucketOf(station) * WAYS;
    for (int entry = first; entry < first + WAYS; entry++) {
      if (stations[entry] == station && ports[entry] != NOWHERE) {
        return entry;
      }
    }
    return -1;
  }

  private boolean isFresh(int entry, long nowNanos) {
    return nowNanos - heardNanos[entry] <= ageingNanos;
  }

  /** The entry that a newcomer behind {@code port} gets. */
  private int vacate(int first, int port, long nowNanos) {
    for (int entry = first; entry < first + WAYS; entry++) {
      if (ports[entry] == NOWHERE || !isFresh(entry, nowNanos)) {
        return entry;
      }
    }
    int most = 0;
    for (int entry = first; entry < first + WAYS; entry++) {
      most = Math.max(most, held(first, ports[entry]));
    }
    boolean own = held(first, port) == most;
    int oldest = -1;
    for (int entry = first; entry < first + WAYS; entry++) {
      boolean candidate = own ? ports[entry] == port : held(first, ports[entry]) == most;
      if (candidate && (oldest < 0 || heardNanos[entry] - heardNanos[oldest] < 0)) {
        oldest = entry;
      }
    }
    return oldest;
  }

  /** How many entries of a bucket a port holds. */
  private int held(int first, int port) {
    int count = 0;
    for (int entry = first; entry < first + WAYS; entry++) {
      if (ports[entry] == port) {
        count++;
      }
    }
    return count;
  }
}
