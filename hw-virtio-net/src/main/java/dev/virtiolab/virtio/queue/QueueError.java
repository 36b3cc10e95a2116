package dev.virtiolab.virtio.queue;

/**
 * How a driver broke a queue. The device answers each with DEVICE_NEEDS_RESET (virtio v1.4 cs01,
 * 2.1.2 "Device Requirements: Device Status Field").
 */
public enum QueueError {
  /** It did not. */
  NONE,
  /** The size is not a power of two, or is larger than the device's (2.7). */
  BAD_SIZE,
  /** A ring area is not aligned as section 2.7 demands. */
  RING_MISALIGNED,
  /** A ring area or an indirect table does not lie wholly in memory that the device may access. */
  RING_UNREACHABLE,
  /**
   * {@code avail.idx} offers more chains than the queue has descriptors, or went back (2.7.6.1).
   */
  AVAIL_JUMP,
  /** An entry of the available ring names no descriptor. */
  HEAD_OUT_OF_RANGE,
  /** A {@code next} points past its table. */
  NEXT_OUT_OF_RANGE,
  /** A chain loops, or has more buffers than the queue has descriptors (2.7.5.1, 2.7.5.3.1). */
  CHAIN_TOO_LONG,
  /** A buffer of no bytes. */
  ZERO_LENGTH,
  /** A device-readable buffer after a device-writable one (2.7.4.2). */
  READABLE_AFTER_WRITABLE,
  /** A buffer, or an indirect table, that runs over the end of the address space. */
  ADDRESS_WRAP,
  /** A chain of more than {@link Chain#MAX_BYTES} (2.7.5.1, and the note in 2.7.4). */
  TOTAL_LENGTH,
  /** An indirect descriptor without VIRTIO_F_INDIRECT_DESC (2.7.5.3.1). */
  INDIRECT_NOT_NEGOTIATED,
  /** An indirect table that is empty or no whole number of descriptors. */
  INDIRECT_BAD_LENGTH,
  /** An indirect descriptor inside an indirect table (2.7.5.3.1). */
  INDIRECT_NESTED,
  /** An indirect descriptor that says the chain goes on (2.7.5.3.1). */
  INDIRECT_WITH_NEXT
}
