package dev.virtiolab.firmware.virtio;

import static dev.virtiolab.firmware.virtio.VringLayout.AVAIL_ENTRY_SIZE;
import static dev.virtiolab.firmware.virtio.VringLayout.AVAIL_FLAGS;
import static dev.virtiolab.firmware.virtio.VringLayout.AVAIL_IDX;
import static dev.virtiolab.firmware.virtio.VringLayout.AVAIL_OVERHEAD;
import static dev.virtiolab.firmware.virtio.VringLayout.AVAIL_RING;
import static dev.virtiolab.firmware.virtio.VringLayout.DESC_ADDR;
import static dev.virtiolab.firmware.virtio.VringLayout.DESC_FLAGS;
import static dev.virtiolab.firmware.virtio.VringLayout.DESC_LEN;
import static dev.virtiolab.firmware.virtio.VringLayout.DESC_NEXT;
import static dev.virtiolab.firmware.virtio.VringLayout.DESC_SIZE;
import static dev.virtiolab.firmware.virtio.VringLayout.USED_ELEM_SIZE;
import static dev.virtiolab.firmware.virtio.VringLayout.USED_FLAGS;
import static dev.virtiolab.firmware.virtio.VringLayout.USED_F_NO_NOTIFY;
import static dev.virtiolab.firmware.virtio.VringLayout.USED_IDX;
import static dev.virtiolab.firmware.virtio.VringLayout.USED_OVERHEAD;
import static dev.virtiolab.firmware.virtio.VringLayout.USED_RING;

import dev.virtiolab.pci.cpu.CpuMemory;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * A split virtqueue as its driver holds it: edk2's VRING, and what the driver knows of it
 * privately.
 *
 * <p>A chain's life, by the methods that move it:
 *
 * <pre>{@code
 *          descriptor()        offer()           publish()
 * free  ----------------> laid -------> in avail ---------> the device's
 *  ^                                                            |
 *  |            take()                      look()              |  device writes used element
 *  +------------------------- completed <-----------------------+
 * }</pre>
 *
 * <p>Of what the device can write, only used.flags, used.idx and the used elements are ever read,
 * each once, and each value is checked before it is used. Whatever the driver wrote itself (its
 * index, which heads are out) it remembers here and never reads back. Indices run free in 16 bits
 * and are masked at use; since the queue size divides 65536, slot {@code idx & (size - 1)} follows
 * slot {@code (idx - 1) & (size - 1)} over the wrap too.
 *
 * <p><b>What counts as a lie.</b> More elements than there are chains out; an id that is no head,
 * or is not out; and an id that was offered again only after the element had been seen: {@link
 * #look} numbers the batches of elements that it observes, {@link #offer} notes the present batch,
 * and a chain cannot come back in the batch in which it went out. That makes "completed twice"
 * exact even where a chain is reused at once.
 */
public final class VirtioRing {

  /** From {@link #look} and {@link #take}: the device wrote what no device may write. */
  public static final int DEVICE_LIED = -1;

  private static final long NOT_OUT = Long.MAX_VALUE;
  private static final int INDEX_MASK = 0xffff;
  private static final long PAGE_SIZE = 4096;

  private CpuMemory memory;
  private int queueSize;
  private int mask;
  private long base;
  private long pages;
  private long avail;
  private long used;

  /** What the driver's index is, whoever writes to the copy in shared memory. */
  private int availIdx;

  /** Elements taken so far. */
  private int lastUsed;

  /** used.idx when it was last read: elements before it may be taken. */
  private int seenUsed;

  /** The number of the batch of elements that {@link #seenUsed} ends. */
  private long batch;

  /** By head: the batch in which it was offered, or {@link #NOT_OUT}. */
  private long[] offeredInBatch;

  private int out;
  private int takenLength;

  public VirtioRing() {}

  /** 4 KiB pages that a ring of {@code queueSize} descriptors takes. */
  public static long pagesFor(int queueSize) {
    return (usedOffset(queueSize) + pageAligned(USED_OVERHEAD + (long) USED_ELEM_SIZE * queueSize))
        / PAGE_SIZE;
  }

  private static long usedOffset(int queueSize) {
    return pageAligned(
        (long) DESC_SIZE * queueSize + AVAIL_OVERHEAD + (long) AVAIL_ENTRY_SIZE * queueSize);
  }

  private static long pageAligned(long bytes) {
    return (bytes + PAGE_SIZE - 1) & -PAGE_SIZE;
  }

  /**
   * Lays the ring out, zeroed, in the {@link #pagesFor} pages at {@code base}; {@link
   * VirtioLib#virtioRingInit} does this in pages that it allocates.
   *
   * @param queueSize a power of 2 from 2 to 32768
   */
  public void layOut(CpuMemory memory, int queueSize, long base) {
    this.memory = memory;
    this.queueSize = queueSize;
    this.mask = queueSize - 1;
    this.base = base;
    this.pages = pagesFor(queueSize);
    this.avail = base + (long) DESC_SIZE * queueSize;
    this.used = base + usedOffset(queueSize);
    this.offeredInBatch = new long[queueSize];
    clear();
  }

  /**
   * Zeroes the ring and forgets what was out. Only while the device does not use it: before it is
   * enabled, or after a reset.
   */
  public void clear() {
    memory.fill(base, pages * PAGE_SIZE, (byte) 0);
    availIdx = 0;
    lastUsed = 0;
    seenUsed = 0;
    batch = 0;
    out = 0;
    Arrays.fill(offeredInBatch, NOT_OUT);
  }

  /** Forgets everything; the pages are gone. */
  void forget() {
    queueSize = 0;
    base = 0;
    pages = 0;
    offeredInBatch = null;
  }

  public int queueSize() {
    return queueSize;
  }

  /** Guest-physical address of the whole, which begins with the descriptor table. */
  public long base() {
    return base;
  }

  public long pages() {
    return pages;
  }

  public long descriptorTable() {
    return base;
  }

  public long availRing() {
    return avail;
  }

  public long usedRing() {
    return used;
  }

  /** Chains that were offered and have not been taken back. */
  public int out() {
    return out;
  }

  /** Whether the chain that starts at {@code head} was offered and has not been taken back. */
  public boolean isOut(int head) {
    return offeredInBatch[head] != NOT_OUT;
  }

  /** Sets avail.flags, for instance to {@link VringLayout#AVAIL_F_NO_INTERRUPT}. */
  public void availFlags(int flags) {
    memory.putShort(avail + AVAIL_FLAGS, (short) flags);
  }

  /** Writes a whole descriptor. */
  public void descriptor(int index, long deviceAddress, int length, int flags, int next) {
    long descriptor = base + (long) DESC_SIZE * index;
    memory.putLong(descriptor + DESC_ADDR, deviceAddress);
    memory.putInt(descriptor + DESC_LEN, length);
    memory.putShort(descriptor + DESC_FLAGS, (short) flags);
    memory.putShort(descriptor + DESC_NEXT, (short) next);
  }

  /** Points a descriptor elsewhere; its flags and next stay. */
  public void repoint(int index, long deviceAddress, int length) {
    long descriptor = base + (long) DESC_SIZE * index;
    memory.putLong(descriptor + DESC_ADDR, deviceAddress);
    memory.putInt(descriptor + DESC_LEN, length);
  }

  /**
   * Puts the chain that starts at {@code head} into the next slot of the available ring; the device
   * sees it after {@link #publish}.
   */
  public void offer(int head) {
    if (offeredInBatch[head] != NOT_OUT) {
      throw new IllegalStateException("chain is out already: head=" + head);
    }
    memory.putShort(avail + AVAIL_RING + (long) AVAIL_ENTRY_SIZE * (availIdx & mask), (short) head);
    availIdx = (availIdx + 1) & INDEX_MASK;
    offeredInBatch[head] = batch;
    out++;
  }

  /** Lets the device see every chain offered so far. */
  public void publish() {
    // Release: descriptors and ring entries come before the index; the device's acquire load of
    // avail.idx is the partner (2.7.13.3 "Updating idx").
    memory.putShortRelease(avail + AVAIL_IDX, (short) availIdx);
  }

  /** Whether the device wants to be notified of what {@link #publish} published. */
  public boolean kickWanted() {
    // Full fence: our avail.idx store comes before the load of used.flags. The partner is the
    // device's fence between clearing NO_NOTIFY and its last look at avail.idx: one of the two
    // sees the other (2.7.13.4 "Notifying The Device").
    VarHandle.fullFence();
    return (memory.getShort(used + USED_FLAGS) & USED_F_NO_NOTIFY) == 0;
  }

  /**
   * Looks how many completed chains there are to {@link #take}.
   *
   * @return 0 to {@link #out}, or {@link #DEVICE_LIED}
   */
  public int look() {
    if (seenUsed == lastUsed) {
      // Acquire: used elements and buffers are read after the index; the device's release store of
      // used.idx is the partner (2.7.14 "Receiving Used Buffers From The Device").
      int now = memory.getShortAcquire(used + USED_IDX) & INDEX_MASK;
      if (((now - lastUsed) & INDEX_MASK) > out) {
        return DEVICE_LIED;
      }
      seenUsed = now;
      batch++;
    }
    return (seenUsed - lastUsed) & INDEX_MASK;
  }

  /**
   * Takes the next completed chain back; only after {@link #look} returned more than 0.
   *
   * @return its head, or {@link #DEVICE_LIED}
   */
  public int take() {
    if (seenUsed == lastUsed) {
      throw new IllegalStateException("nothing to take");
    }
    // One load of the whole element: id in the low half, len in the high one.
    long element = memory.getLong(used + USED_RING + (long) USED_ELEM_SIZE * (lastUsed & mask));
    int id = (int) element;
    if (id < 0 || id >= queueSize || offeredInBatch[id] >= batch) {
      return DEVICE_LIED;
    }
    offeredInBatch[id] = NOT_OUT;
    out--;
    lastUsed = (lastUsed + 1) & INDEX_MASK;
    takenLength = (int) (element >>> Integer.SIZE);
    return id;
  }

  /**
   * What the device says it wrote into the chain that was taken last, in bytes: an unsigned 32-bit
   * value that nobody has checked.
   */
  public long takenLength() {
    return Integer.toUnsignedLong(takenLength);
  }
}
