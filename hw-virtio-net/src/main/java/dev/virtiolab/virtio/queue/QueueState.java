package dev.virtiolab.virtio.queue;

/** A queue's life: STOPPED, then RUNNING, perhaps BROKEN, and STOPPED again by a reset. */
public enum QueueState {
  /** Not enabled: nothing is taken, nothing is written. */
  STOPPED,
  /** Enabled by the driver. */
  RUNNING,
  /** The driver broke a rule: the queue touches memory no more until it is reset. */
  BROKEN
}
