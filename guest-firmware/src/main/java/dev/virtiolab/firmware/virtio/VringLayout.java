package dev.virtiolab.firmware.virtio;

/**
 * Split virtqueue: virtio v1.4, 2.7 "Split Virtqueues". All fields are little-endian.
 *
 * <pre>
 *  descriptor table (2.7.5)         available ring (2.7.6)      used ring (2.7.8)
 *  struct virtq_desc, 16 bytes      struct virtq_avail          struct virtq_used
 *
 *   0                 8             0     2     4     6         0     2     4         12
 *  +-----------------+              +-----+-----+-----+--       +-----+-----+---------+--
 *  | addr            |              |flags| idx |ring0| ...     |flags| idx | element0| ...
 *  +--------+---+----+              +-----+-----+-----+--       +-----+-----+---------+--
 *  | len    |flg|next|                                                      | id | len |
 *  +--------+---+----+                                                      0    4
 *   8       12  14
 * </pre>
 *
 * As edk2 places them in guest memory, for a queue of N descriptors:
 *
 * <pre>
 *  page boundary                                page boundary
 *  |                                            |
 *  v                                            v
 *  +------------------+----------------+--------+---------------------+--------+
 *  | desc[N]: 16 N    | avail: 6 + 2 N | unused | used: 6 + 8 N       | unused |
 *  +------------------+----------------+--------+---------------------+--------+
 *  written by the driver, read by the device    the other way round
 * </pre>
 */
public final class VringLayout {
  // struct virtq_desc: 2.7.5 "The Virtqueue Descriptor Table"
  public static final int DESC_ADDR = 0;
  public static final int DESC_LEN = 8;
  public static final int DESC_FLAGS = 12;
  public static final int DESC_NEXT = 14;
  public static final int DESC_SIZE = 16;

  public static final int DESC_F_NEXT = 1;
  public static final int DESC_F_WRITE = 2;
  public static final int DESC_F_INDIRECT = 4;

  // struct virtq_avail: 2.7.6 "The Virtqueue Available Ring"
  public static final int AVAIL_FLAGS = 0;
  public static final int AVAIL_IDX = 2;
  public static final int AVAIL_RING = 4;
  public static final int AVAIL_ENTRY_SIZE = 2;

  /** flags, idx and used_event: what the available ring takes beside its entries. */
  public static final int AVAIL_OVERHEAD = 6;

  public static final int AVAIL_F_NO_INTERRUPT = 1;

  // struct virtq_used: 2.7.8 "The Virtqueue Used Ring"
  public static final int USED_FLAGS = 0;
  public static final int USED_IDX = 2;
  public static final int USED_RING = 4;

  /** flags, idx and avail_event: what the used ring takes beside its elements. */
  public static final int USED_OVERHEAD = 6;

  public static final int USED_F_NO_NOTIFY = 1;

  // struct virtq_used_elem: 2.7.8 "The Virtqueue Used Ring"
  public static final int USED_ELEM_ID = 0;
  public static final int USED_ELEM_LEN = 4;
  public static final int USED_ELEM_SIZE = 8;

  /** 2.7 "Split Virtqueues": the queue size is a power of 2 of at most this. */
  public static final int MAX_QUEUE_SIZE = 32768;

  private VringLayout() {}
}
