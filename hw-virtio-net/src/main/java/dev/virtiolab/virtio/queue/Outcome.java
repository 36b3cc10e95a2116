package dev.virtiolab.virtio.queue;

/** What {@link SplitQueue#next} found. */
public enum Outcome {
  /** A chain, checked and copied. */
  CHAIN,
  /** Nothing is available now, or the queue is not running. */
  EMPTY,
  /**
   * The function may not master the bus now. Nothing is wrong with the ring and nothing was taken;
   * look again once the driver has set the enable, since no kick may come for what waits here.
   */
  BLOCKED,
  /** The driver broke the queue, now or before: {@link SplitQueue#error()} says how. */
  BROKEN
}
