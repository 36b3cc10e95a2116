package dev.virtiolab.virtio.queue;

/**
 * The three areas of a split virtqueue: virtio v1.4 cs01, sections 2.7 "Split Virtqueues", 2.7.6
 * "The Virtqueue Available Ring" and 2.7.8 "The Virtqueue Used Ring".
 *
 * <pre>
 *   struct virtq_avail                          struct virtq_used
 *    0       2       4                           0       2       4
 *   +-------+-------+------------+------------+ +-------+-------+-------------------+-------------+
 *   | flags | idx   | le16 ring[]| used_event | | flags | idx   | {le32 id, len} [] | avail_event |
 *   +-------+-------+------------+------------+ +-------+-------+-------------------+-------------+
 * </pre>
 *
 * The event fields are there only with VIRTIO_F_EVENT_IDX.
 */
public final class SplitQueueLayout {
  /** The largest queue size that the format allows, in descriptors. */
  public static final int MAX_SIZE = 32768;

  public static final int DESC_ALIGNMENT = 16;
  public static final int AVAIL_ALIGNMENT = 2;
  public static final int USED_ALIGNMENT = 4;

  public static final int AVAIL_FLAGS = 0;
  public static final int AVAIL_IDX = 2;
  public static final int AVAIL_RING = 4;

  /** Bytes in an entry of the available ring. */
  public static final int AVAIL_ENTRY_BYTES = 2;

  /** VIRTQ_AVAIL_F_NO_INTERRUPT: the driver asks for no used buffer notifications. */
  public static final int AVAIL_F_NO_INTERRUPT = 1;

  public static final int USED_FLAGS = 0;
  public static final int USED_IDX = 2;
  public static final int USED_RING = 4;

  /** {@code struct virtq_used_elem}: offset of {@code id} in the element. */
  public static final int USED_ELEMENT_ID = 0;

  /** {@code struct virtq_used_elem}: offset of {@code len} in the element. */
  public static final int USED_ELEMENT_LEN = 4;

  /** Bytes in {@code struct virtq_used_elem}. */
  public static final int USED_ELEMENT_BYTES = 8;

  /** VIRTQ_USED_F_NO_NOTIFY: the device asks for no available buffer notifications. */
  public static final int USED_F_NO_NOTIFY = 1;

  /** Bytes in either event field. */
  public static final int EVENT_BYTES = 2;

  /** Bytes in the descriptor table of a queue of {@code size}. */
  public static int descriptorBytes(int size) {
    return DescriptorLayout.BYTES * size;
  }

  /** Offset of {@code used_event}; also the bytes in an available ring without it. */
  public static int usedEvent(int size) {
    return AVAIL_RING + AVAIL_ENTRY_BYTES * size;
  }

  /** Bytes in the available ring. */
  public static int availBytes(int size, boolean eventIdx) {
    return usedEvent(size) + (eventIdx ? EVENT_BYTES : 0);
  }

  /** Offset of {@code avail_event}; also the bytes in a used ring without it. */
  public static int availEvent(int size) {
    return USED_RING + USED_ELEMENT_BYTES * size;
  }

  /** Bytes in the used ring. */
  public static int usedBytes(int size, boolean eventIdx) {
    return availEvent(size) + (eventIdx ? EVENT_BYTES : 0);
  }

  private SplitQueueLayout() {}
}
