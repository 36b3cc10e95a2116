package dev.virtiolab.integration.ebs;

/**
 * The invariants by their numbers. I8, each group at most once and none after a failure, is not
 * among them: no policy and no driver of the matrix can break it, only a broken core.
 */
enum Invariant {
  /** A live device reaches nothing outside its open mappings. */
  I1,
  /** At hand-off no mapping is open. */
  I2,
  /** At hand-off the memory map is the one that was accepted. */
  I3,
  /** At hand-off every device's queues are stopped. */
  I4,
  /** What was shared reads from outside as ciphertext or zero. */
  I5,
  /** What a device wrote is readable by the guest. */
  I6,
  /** No handler does what is forbidden there. */
  I7,
  /** Each mapping is torn down exactly once. */
  I9
}
