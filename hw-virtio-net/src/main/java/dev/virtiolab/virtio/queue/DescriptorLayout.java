package dev.virtiolab.virtio.queue;

/**
 * {@code struct virtq_desc}: virtio v1.4 cs01, section 2.7.5 "The Virtqueue Descriptor Table".
 *
 * <pre>
 *    0                   8           12      14      16
 *   +-------------------+-----------+-------+-------+
 *   |  le64 addr        | le32 len  | flags | next  |
 *   +-------------------+-----------+-------+-------+
 * </pre>
 */
public final class DescriptorLayout {
  /** Bus address of the buffer, or of the indirect table. */
  public static final int ADDR = 0;

  /** Bytes in the buffer, or in the indirect table. */
  public static final int LEN = 8;

  public static final int FLAGS = 12;

  /** Index in the same table of the descriptor that follows, if {@link #F_NEXT}. */
  public static final int NEXT = 14;

  /** Bytes in a descriptor. */
  public static final int BYTES = 16;

  /** VIRTQ_DESC_F_NEXT: the chain goes on at {@code next}. */
  public static final int F_NEXT = 1;

  /** VIRTQ_DESC_F_WRITE: device-writable; otherwise device-readable. */
  public static final int F_WRITE = 2;

  /** VIRTQ_DESC_F_INDIRECT: the buffer is a table of descriptors. */
  public static final int F_INDIRECT = 4;

  private DescriptorLayout() {}
}
