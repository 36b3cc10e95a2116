package dev.virtiolab.firmware.net;

import static dev.virtiolab.firmware.net.VirtioNetLayout.FRAME_TYPE;
import static dev.virtiolab.firmware.net.VirtioNetLayout.MEDIA_HEADER_SIZE;

import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.firmware.virtio.VirtioLib;
import dev.virtiolab.firmware.virtio.VirtioRing;
import dev.virtiolab.firmware.virtio.VringLayout;
import dev.virtiolab.pci.cpu.CpuMemory;

/**
 * The receive queue.
 *
 * <p>Buffer N owns descriptors 2N and 2N+1 and slot N of one area in shared pages, which is mapped
 * CommonBuffer as a whole:
 *
 * <pre>
 *  available ring        descriptors               receive area
 *  +----+----+----+      +-------------+          |  slot N: 1536 bytes               |
 *  | .. | 2N | .. | ---> | D(2N)  NEXT | -------> +-----------+----------------+------+
 *  +----+----+----+      +------|------+          | header 12 | frame, to 1518 |unused|
 *                        +------v------+          +-----------+----------------+------+
 *                        | D(2N+1)     | ---------------------^
 *                        +-------------+
 *
 *  mtu              slot    64 slots     with room for 12 + 14 + 4 (one VLAN tag) + mtu bytes,
 *     68             128     2 pages     and the next slot in a cache line of its own
 *   1500 (usual)    1536    24 pages
 *   9000            9088   142 pages     a slot crosses pages; the area is contiguous to the CPU,
 *   9216 (largest)  9280   145 pages     and to the device under one mapping
 * </pre>
 *
 * <p>A frame that passes the receive filter is <em>latched</em>: taken off the used ring, its
 * length and destination read once, checked and kept here, until a caller with room fetches it. All
 * others are given back to the device at once. A slot's bytes are copied out before anything but
 * the destination is looked at, since the device may write to it at any time.
 */
final class VirtioNetReceiver {
  /** What {@link #peek} found. */
  enum Peek {
    EMPTY,
    FRAME,
    LIED_USED,
    LIED_LENGTH
  }

  private static final int SLOT_ALIGNMENT = 64;
  private static final long PAGE_SIZE = 4096;
  private static final int NOTHING = -1;

  private final VirtioDevice virtIo;
  private final CpuMemory memory;
  private final VirtioNetQueue queue;
  private final VirtioRing ring;
  private final VirtioNetMtu mtu;
  private final ReceiveFilter filter;
  private final SnpCounters counters;
  private final Ref<DmaMapping> mapping = new Ref<>();
  private final LongRef deviceBase = new LongRef();
  private final int headerSize;

  private long area;
  private long pages;
  private int pending;

  /** Bytes from slot to slot. */
  private int stride;

  /** Bytes of the longest frame that a slot has room for, and of the longest without a tag. */
  private int room;

  private int longestUntagged;

  /** The latched frame: its head descriptor, or {@link #NOTHING}. */
  private int latchedHead = NOTHING;

  private int latchedLength;
  private long latchedDestination;
  private boolean owesKick;

  VirtioNetReceiver(
      VirtioDevice virtIo,
      CpuMemory memory,
      VirtioNetQueue queue,
      VirtioNetMtu mtu,
      ReceiveFilter filter,
      SnpCounters counters) {
    this.virtIo = virtIo;
    this.memory = memory;
    this.queue = queue;
    this.ring = queue.ring();
    this.mtu = mtu;
    this.filter = filter;
    this.counters = counters;
    this.headerSize = VirtioNetLayout.headerSize(virtIo.revision());
  }

  /**
   * Allocates and maps a receive area for frames of the MTU; the queue is open. On an error nothing
   * is kept.
   */
  EfiStatus open() {
    pending = queue.pending();
    longestUntagged = mtu.longestFrame();
    room = mtu.longestTagged();
    stride = (headerSize + room + SLOT_ALIGNMENT - 1) / SLOT_ALIGNMENT * SLOT_ALIGNMENT;
    long bytes = (long) stride * pending;
    long pagesNeeded = (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
    LongRef base = new LongRef();
    EfiStatus status = virtIo.allocateSharedPages(pagesNeeded, base);
    if (status.isError()) {
      return status;
    }
    memory.fill(base.value, bytes, (byte) 0);
    status =
        VirtioLib.virtioMapAllBytesInSharedBuffer(
            virtIo,
            DmaOperation.BUS_MASTER_COMMON_BUFFER,
            base.value,
            bytes,
            new LongRef(),
            deviceBase,
            mapping);
    if (status.isError()) {
      mapping.value = null;
      virtIo.freeSharedPages(pagesNeeded, base.value);
      return status;
    }
    area = base.value;
    pages = pagesNeeded;
    return EfiStatus.SUCCESS;
  }

  /** Lays out and offers every buffer in a ring that is clear. Frames are polled for. */
  void layOut() {
    latchedHead = NOTHING;
    owesKick = false;
    ring.availFlags(VringLayout.AVAIL_F_NO_INTERRUPT);
    for (int buffer = 0; buffer < pending; buffer++) {
      int head = 2 * buffer;
      long slot = deviceBase.value + (long) stride * buffer;
      ring.descriptor(
          head, slot, headerSize, VringLayout.DESC_F_NEXT | VringLayout.DESC_F_WRITE, head + 1);
      ring.descriptor(head + 1, slot + headerSize, room, VringLayout.DESC_F_WRITE, 0);
      ring.offer(head);
    }
    ring.publish();
  }

  /**
   * Latches the next frame that passes the filter, unless one is latched. Looks at no more frames
   * than there are buffers, however fast the device fills them again. Buffers given back on the way
   * may call for {@link #kickIfOwed}.
   */
  Peek peek() {
    if (latchedHead != NOTHING) {
      return Peek.FRAME;
    }
    for (int looked = 0; looked < pending; looked++) {
      int ready = ring.look();
      if (ready <= 0) {
        return ready == 0 ? Peek.EMPTY : Peek.LIED_USED;
      }
      int head = ring.take();
      if (head == VirtioRing.DEVICE_LIED) {
        return Peek.LIED_USED;
      }
      long written = ring.takenLength();
      if (written < headerSize || written > headerSize + room) {
        return Peek.LIED_LENGTH;
      }
      int length = (int) written - headerSize;
      if (length < MEDIA_HEADER_SIZE) {
        counters.increment(SnpCounter.RX_SHORT);
        counters.add(SnpCounter.RX_SHORT_BYTES, length);
        giveBack(head);
        continue;
      }
      if (length > longestUntagged && !isTagged(head)) {
        counters.increment(SnpCounter.RX_GIANT);
        counters.add(SnpCounter.RX_GIANT_BYTES, length);
        giveBack(head);
        continue;
      }
      long destination = MacAddresses.read(memory, frameOf(head));
      if (!filter.accepts(destination)) {
        counters.increment(SnpCounter.RX_FILTERED);
        counters.add(SnpCounter.RX_FILTERED_BYTES, length);
        giveBack(head);
        continue;
      }
      latchedHead = head;
      latchedLength = length;
      latchedDestination = destination;
      return Peek.FRAME;
    }
    return Peek.EMPTY;
  }

  /** Bytes of the latched frame. */
  int latchedLength() {
    return latchedLength;
  }

  /** Destination of the latched frame, as it passed the filter. */
  long latchedDestination() {
    return latchedDestination;
  }

  /** Copies the latched frame to {@code target} and gives its buffer back to the device. */
  void fetch(long target) {
    memory.copy(frameOf(latchedHead), target, latchedLength);
    // The destination that was checked is the one that is delivered.
    MacAddresses.write(memory, target, latchedDestination);
    giveBack(latchedHead);
    latchedHead = NOTHING;
    counters.increment(SnpCounter.RX_FRAMES);
    counters.add(SnpCounter.RX_BYTES, latchedLength);
    counters.increment(
        (latchedDestination & MacAddresses.GROUP_BIT) == 0
            ? SnpCounter.RX_UNICAST
            : latchedDestination == MacAddresses.BROADCAST
                ? SnpCounter.RX_BROADCAST
                : SnpCounter.RX_MULTICAST);
  }

  /** Notifies the device of buffers that it got back, if there are any and it wants to know. */
  EfiStatus kickIfOwed() {
    if (!owesKick) {
      return EfiStatus.SUCCESS;
    }
    owesKick = false;
    return ring.kickWanted() ? kick() : EfiStatus.SUCCESS;
  }

  EfiStatus kick() {
    counters.increment(SnpCounter.RX_KICKS);
    return queue.kick();
  }

  /** Unmaps and frees the receive area, if there is one. The device must have been reset. */
  void close() {
    latchedHead = NOTHING;
    if (mapping.value != null) {
      if (virtIo.unmapSharedBuffer(mapping.value).isError()) {
        counters.increment(SnpCounter.UNMAP_FAILED);
      }
      mapping.value = null;
      virtIo.freeSharedPages(pages, area);
    }
  }

  /** What the device makes of the frame later changes nothing: a client has room for either. */
  private boolean isTagged(int head) {
    short type = Short.reverseBytes(memory.getShort(frameOf(head) + FRAME_TYPE));
    return VirtioNetLayout.isTag(type & 0xffff);
  }

  private long frameOf(int head) {
    return area + (long) stride * (head / 2) + headerSize;
  }

  private void giveBack(int head) {
    ring.offer(head);
    ring.publish();
    owesKick = true;
  }
}
