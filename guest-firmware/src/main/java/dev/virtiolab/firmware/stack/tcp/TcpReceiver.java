package dev.virtiolab.firmware.stack.tcp;

import dev.virtiolab.firmware.stack.bytes.ByteRing;
import java.lang.foreign.MemorySegment;

/**
 * The receiving half of a connection: what the user has not read, and what came too early.
 *
 * <pre>
 *          read             nxt                              advertised    read + capacity
 *   -------+----------------+------+=====+---+=====+---------+-------------+
 *    given |    in order    | gap    early     early         |  not offered yet
 * </pre>
 *
 * <p>What comes early is put at its place, and noted as a range. There are so many ranges; a
 * segment that would make one more is dropped, and sent again by the peer. The right edge of what
 * is advertised never moves back, and moves on by a segment or half of the buffer at least (RFC
 * 9293, 3.8.6.2.2).
 */
final class TcpReceiver {
  static final int RANGES = 32;

  private static final int LARGEST_FIELD = 0xffff;

  private final int capacity;
  private ByteRing ring;
  private final int[] starts = new int[RANGES];
  private final int[] ends = new int[RANGES];
  private int ranges;

  private int read;
  private int nxt;
  private int advertised;
  private int scale;
  private int segment;

  private boolean finKnown;
  private int fin;
  private boolean finished;

  /**
   * @param capacity of the buffer in bytes, a power of two
   */
  TcpReceiver(int capacity) {
    this.capacity = capacity;
  }

  /**
   * Starts with the peer's SYN.
   *
   * @param scale the shift of what {@link #windowField} says after the handshake
   * @param segment how large a full segment is, in bytes
   */
  void start(int initialSequence, int scale, int segment) {
    nxt = initialSequence + 1;
    read = nxt;
    this.scale = scale;
    this.segment = segment;
    advertised = nxt + Math.min(capacity, LARGEST_FIELD);
  }

  int next() {
    return nxt;
  }

  /** RFC 9293, 3.4, Table 6; where the window is closed, what starts right at it is looked at. */
  boolean isAcceptable(int sequence, int length) {
    if (sequence == nxt) {
      return true;
    }
    return isInWindow(sequence) || length > 0 && isInWindow(sequence + length - 1);
  }

  boolean isInWindow(int sequence) {
    return !Sequence.before(sequence, nxt) && Sequence.before(sequence, advertised);
  }

  /**
   * Takes the data of a segment as far as it lies in the window.
   *
   * @param last whether a FIN follows it
   * @return whether {@link #next} has moved, and so all of it was in order
   */
  boolean take(int sequence, MemorySegment bytes, long at, int length, boolean last) {
    int from = Sequence.max(sequence, nxt);
    int to = Sequence.min(sequence + length, advertised);
    boolean whole = to == sequence + length;
    if (finKnown) {
      to = Sequence.min(to, fin);
    }
    int before = nxt;
    if (Sequence.before(from, to)) {
      put(from, to, bytes, at + (from - sequence));
    }
    if (last && whole && !finKnown && !Sequence.before(sequence + length, newestEnd())) {
      finKnown = true;
      fin = sequence + length;
    }
    if (finKnown && !finished && nxt == fin) {
      finished = true;
      nxt++;
      letGo();
    }
    return nxt != before;
  }

  /** One past the newest byte that is there: no FIN can lie before it. */
  private int newestEnd() {
    return ranges == 0 ? nxt : ends[ranges - 1];
  }

  private void put(int from, int to, MemorySegment bytes, long at) {
    if (from != nxt && !note(from, to)) {
      return;
    }
    if (ring == null) {
      ring = new ByteRing(capacity);
    }
    ring.put(from, bytes, at, to - from);
    if (from == nxt) {
      nxt = to;
      takeEarly();
    }
  }

  /** Moves on over what came early and is in order now. */
  private void takeEarly() {
    int done = 0;
    while (done < ranges && !Sequence.after(starts[done], nxt)) {
      nxt = Sequence.max(nxt, ends[done]);
      done++;
    }
    remove(0, done);
  }

  /** Notes a range, together with those that it touches; false if there are too many. */
  private boolean note(int from, int to) {
    int first = 0;
    while (first < ranges && Sequence.before(ends[first], from)) {
      first++;
    }
    int end = first;
    int start = from;
    int stop = to;
    while (end < ranges && !Sequence.after(starts[end], to)) {
      start = Sequence.min(start, starts[end]);
      stop = Sequence.max(stop, ends[end]);
      end++;
    }
    if (end == first) {
      if (ranges == RANGES) {
        return false;
      }
      System.arraycopy(starts, first, starts, first + 1, ranges - first);
      System.arraycopy(ends, first, ends, first + 1, ranges - first);
      ranges++;
    } else {
      remove(first + 1, end - first - 1);
    }
    starts[first] = start;
    ends[first] = stop;
    return true;
  }

  private void remove(int index, int count) {
    System.arraycopy(starts, index + count, starts, index, ranges - index - count);
    System.arraycopy(ends, index + count, ends, index, ranges - index - count);
    ranges -= count;
  }

  /** Whether there is a gap in what came. */
  boolean hasGap() {
    return ranges > 0;
  }

  /** Bytes that can be read. */
  int available() {
    return nxt - read - (finished ? 1 : 0);
  }

  /** Whether the peer has said that nothing more comes, and everything before that is there. */
  boolean isFinished() {
    return finished;
  }

  /**
   * Gives bytes to the user.
   *
   * @return how many
   */
  int read(MemorySegment to, long at, int length) {
    int given = Math.min(length, available());
    if (given > 0) {
      ring.get(read, to, at, given);
      read += given;
      letGo();
    }
    return given;
  }

  /** Nothing will come, and nothing is to be read: a connection lives on for a minute or more. */
  private void letGo() {
    if (finished && available() == 0) {
      ring = null;
    }
  }

  /** Whether it holds a buffer. */
  boolean holdsBuffer() {
    return ring != null;
  }

  /** What the window field of the next segment says; it counts as said. */
  int windowField() {
    int edge = edge();
    if (edge - advertised >= Math.min(capacity / 2, segment)) {
      advertised = edge;
    }
    // A FIN may lie just behind what was offered.
    return Math.min(Math.max(advertised - nxt, 0) >>> scale, LARGEST_FIELD);
  }

  /** What it says in a SYN, where it is not scaled. */
  int synWindowField() {
    return Math.min(capacity, LARGEST_FIELD);
  }

  /** Whether the window has grown by so much that the peer should hear of it. */
  boolean isUpdateDue() {
    return edge() - advertised >= Math.min(capacity / 2, 2 * segment);
  }

  private int edge() {
    return Sequence.min(read + capacity, nxt + (LARGEST_FIELD << scale));
  }

  int capacity() {
    return capacity;
  }
}
