package dev.virtiolab.virtio.queue;

import java.util.Objects;

/**
 * Where a queue begins: at its start, or where a device before this one left it.
 *
 * @param availIndex index of the chain that is taken next, 0 to 65535
 * @param usedIndex index of the used element that is written next, 0 to 65535
 * @param inFlight heads of chains that the device before this one took and did not use, in the
 *     order in which it took them: they are taken again first, and what the ring holds at their
 *     indices is not looked at
 * @param journal who is told of each step; null for nobody
 */
public record QueueResume(int availIndex, int usedIndex, int[] inFlight, QueueJournal journal) {
  static final int[] NOTHING = {};

  /** A queue that the driver has just made. */
  public static final QueueResume FRESH = at(0, 0);

  public QueueResume {
    availIndex = RingIndex.plus(availIndex, 0);
    usedIndex = RingIndex.plus(usedIndex, 0);
    Objects.requireNonNull(inFlight);
  }

  /** With nothing in flight, and nobody to tell. */
  public static QueueResume at(int availIndex, int usedIndex) {
    return new QueueResume(availIndex, usedIndex, NOTHING, null);
  }
}
