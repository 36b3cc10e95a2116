package dev.virtiolab.virtio.queue;

/**
 * Arithmetic of the 16-bit ring indices {@code idx}, {@code used_event} and {@code avail_event}.
 *
 * <p><b>The wrap, argued once.</b> Indices count chains since the queue was enabled, modulo 65536,
 * and run free: only the slot is masked. A queue has at most 32768 descriptors, so two indices of
 * one ring lie at most 32768 apart, and their difference modulo 65536 is that distance, whether or
 * not a wrap lies between them. A size is a power of two and divides 65536, so {@code index & (size
 * - 1)} steps from the last slot to the first also where the index wraps. Hence indices are never
 * compared with {@code <}, only subtracted modulo 65536.
 *
 * <p>Indices are held as {@code int} from 0 to 65535.
 */
public final class RingIndex {
  private static final int MASK = 0xFFFF;

  /** The index {@code count} chains after {@code index}; {@code count} may be negative. */
  public static int plus(int index, int count) {
    return (index + count) & MASK;
  }

  /** Chains from {@code older} to {@code newer}, from 0 to 65535. */
  public static int distance(int newer, int older) {
    return (newer - older) & MASK;
  }

  /**
   * Whether a move of an index from {@code older} to {@code newer} passed {@code event}, that is,
   * whether one of the entries {@code older .. newer - 1} has the index {@code event} (2.7.7,
   * 2.7.10: "until idx reaches event + 1"). True for the whole batch, wherever in it the event
   * lies.
   */
  public static boolean passed(int event, int newer, int older) {
    // Entries back from the newest one to the event, against entries in the batch.
    return distance(newer, event + 1) < distance(newer, older);
  }

  private RingIndex() {}
}
