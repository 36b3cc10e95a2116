package dev.virtiolab.virtio.vhostuser;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * What one split ring has in flight, in memory that the front-end keeps for the back-end that comes
 * after this one (vhost-user.rst, "Inflight I/O tracking").
 *
 * <pre>
 *        +0               +8       +a         +c                +e
 * region | features      | version | desc_num | last_batch_head | used_idx |
 *  desc  | inflight, 5 bytes of padding       | next           | counter (64) |   desc_num times
 * </pre>
 *
 * <p>The front-end can write what it likes here: what is read is checked, and read only where a
 * ring starts.
 */
final class InflightRegion {
  static final int HEADER_BYTES = 16;
  static final int DESC_BYTES = 16;

  /** Regions lie at multiples of this, so that two rings share no cache line. */
  static final int ALIGNMENT = 64;

  private static final int VERSION = 8;
  private static final int DESC_NUM = 10;
  private static final int LAST_BATCH_HEAD = 12;
  private static final int USED_IDX = 14;
  private static final int INFLIGHT = 0;
  private static final int NEXT = 6;
  private static final int COUNTER = 8;

  private static final short PRESENT_VERSION = 1;

  private static final VarHandle U8 = ValueLayout.JAVA_BYTE.varHandle();
  private static final VarHandle U16 = ValueLayout.JAVA_SHORT.varHandle();
  private static final VarHandle U64 = ValueLayout.JAVA_LONG.varHandle();

  private final MemorySegment region;
  private final int size;
  private final int[] batch;
  private int batched;
  private long counter;
  private int lastBatchHead;

  /**
   * @param region of {@link #bytes} for this size
   * @param size descriptors of the ring
   */
  InflightRegion(MemorySegment region, int size) {
    this.region = region;
    this.size = size;
    batch = new int[size];
  }

  /** Bytes of a region for a ring of {@code size} descriptors. */
  static long bytes(int size) {
    return (HEADER_BYTES + (long) DESC_BYTES * size + ALIGNMENT - 1) & -ALIGNMENT;
  }

  /**
   * Reads what the back-end before this one left, and mends what it was in the midst of.
   *
   * @param usedIndex {@code used.idx} of the ring
   * @return heads in flight, in the order in which they were taken; none if the region is fresh
   * @throws RefusedException if it is the region of another ring
   */
  int[] recover(int usedIndex) throws RefusedException {
    short version = (short) U16.getAcquire(region, VERSION);
    if (version == 0) {
      begin(usedIndex);
      return new int[0];
    }
    int descriptors = u16(DESC_NUM);
    if (version != PRESENT_VERSION || descriptors != size) {
      throw new RefusedException(
          "an inflight region of version %d for %d descriptors; the ring has %d"
              .formatted(version, descriptors, size));
    }
    mendLastBatch(usedIndex);
    int[] heads =
        IntStream.range(0, size).filter(head -> (byte) U8.get(region, desc(head)) != 0).toArray();
    long[] counters = new long[size];
    for (int head : heads) {
      counters[head] = (long) U64.get(region, desc(head) + COUNTER);
      counter = Math.max(counter, counters[head] + 1);
    }
    return Arrays.stream(heads)
        .boxed()
        .sorted((a, b) -> Long.compare(counters[a], counters[b]))
        .mapToInt(Integer::intValue)
        .toArray();
  }

  /** The last batch reached the driver, but was perhaps not struck off here. */
  private void mendLastBatch(int usedIndex) {
    int strikes = Math.min(usedIndex - u16(USED_IDX) & 0xffff, size);
    lastBatchHead = u16(LAST_BATCH_HEAD);
    int head = lastBatchHead;
    for (int i = 0; i < strikes && head < size; i++) {
      U8.setOpaque(region, desc(head) + INFLIGHT, (byte) 0);
      head = u16(desc(head) + NEXT);
    }
    U16.setRelease(region, USED_IDX, (short) usedIndex);
  }

  private void begin(int usedIndex) {
    region.asSlice(0, HEADER_BYTES + (long) DESC_BYTES * size).fill((byte) 0);
    U16.set(region, DESC_NUM, (short) size);
    U16.set(region, USED_IDX, (short) usedIndex);
    // Release: who finds a version finds the rest.
    U16.setRelease(region, VERSION, PRESENT_VERSION);
  }

  // ---- as the ring goes on; each store is a release, so that a crash leaves them in this order

  void taken(int head) {
    U64.setRelease(region, desc(head) + COUNTER, counter++);
    U8.setRelease(region, desc(head) + INFLIGHT, (byte) 1);
  }

  void givenBack(int head) {
    U8.setRelease(region, desc(head) + INFLIGHT, (byte) 0);
  }

  void used(int head) {
    U16.setRelease(region, desc(head) + NEXT, (short) lastBatchHead);
    U16.setRelease(region, LAST_BATCH_HEAD, (short) head);
    lastBatchHead = head;
    batch[batched++] = head;
  }

  void published(int usedIndex) {
    for (int i = 0; i < batched; i++) {
      U8.setRelease(region, desc(batch[i]) + INFLIGHT, (byte) 0);
    }
    batched = 0;
    U16.setRelease(region, USED_IDX, (short) usedIndex);
  }

  private int u16(long offset) {
    return (short) U16.getOpaque(region, offset) & 0xffff;
  }

  private static long desc(int head) {
    return HEADER_BYTES + (long) DESC_BYTES * head;
  }
}
