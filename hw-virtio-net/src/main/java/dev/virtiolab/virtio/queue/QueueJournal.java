package dev.virtiolab.virtio.queue;

/**
 * Told of what a queue does, as it does it: for whoever has to know, should this device be gone in
 * the next moment, what it held and where it wrote.
 *
 * <p>Called on the queue's thread, in the order of its steps. Must not throw, block or allocate.
 */
public interface QueueJournal {
  /** A chain was taken from the ring; nothing was done with it yet. */
  void taken(int head);

  /** The chain taken last is in the ring again. */
  void givenBack(int head);

  /** The used element of a chain is written; the driver does not see it yet. */
  void used(int head);

  /** {@code used.idx} is stored: the driver sees every element since the last time. */
  void published(int usedIndex);

  /** Bytes of a chain's writable part were written, at a bus address. */
  void wroteBuffer(long address, int length);

  /** Bytes of the used ring's area were written. */
  void wroteUsed(long offset, int length);
}
