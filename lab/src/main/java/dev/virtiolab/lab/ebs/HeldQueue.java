package dev.virtiolab.lab.ebs;

import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.pci.function.BusMaster;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.virtio.net.VirtioNet;
import dev.virtiolab.virtio.queue.DescriptorLayout;
import dev.virtiolab.virtio.queue.SplitQueueLayout;
import dev.virtiolab.virtio.transport.QueueAddresses;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * What a device holds by one of its queues: the rings, and the chains that the driver has made
 * available and the device has not used. Read as the device reads it, by its own way to memory;
 * what could be read once is held from then on, as by a device that fetches descriptors early.
 */
final class HeldQueue {
  private static final ValueLayout.OfShort LE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt LE32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LE64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** A piece of memory that the device uses: {@code address} is the device's. */
  record Piece(long address, long bytes, boolean written, String what) {}

  private final Mainboard.Nic nic;
  private final int number;
  private final String whose;
  private final String whatIsHeld;
  private final DmaWindow window = new DmaWindow();
  private final MemorySegment scratch = MemorySegment.ofArray(new byte[DescriptorLayout.BYTES]);
  private int availIdx = -1;
  private int usedIdx = -1;
  private int pending;
  private List<Piece> buffers = List.of();

  /**
   * @param number {@link VirtioNet#RECEIVE_QUEUE} or {@link VirtioNet#TRANSMIT_QUEUE}
   */
  HeldQueue(Mainboard.Nic nic, int number) {
    this.nic = nic;
    this.number = number;
    boolean receives = number == VirtioNet.RECEIVE_QUEUE;
    whose = receives ? " of its receive queue" : " of its transmit queue";
    whatIsHeld = receives ? "a posted receive buffer" : "the frame in flight";
  }

  private QueueAddresses addresses() {
    return nic.function().queueAddresses(number);
  }

  /** Descriptors, available and used ring; none while the queue is not enabled. */
  List<Piece> rings() {
    QueueAddresses queue = addresses();
    if (!queue.enabled()) {
      pending = 0;
      buffers = List.of();
      return List.of();
    }
    long descriptors = (long) DescriptorLayout.BYTES * queue.size();
    long avail =
        SplitQueueLayout.AVAIL_RING + (long) SplitQueueLayout.AVAIL_ENTRY_BYTES * queue.size();
    long used =
        SplitQueueLayout.USED_RING + (long) SplitQueueLayout.USED_ELEMENT_BYTES * queue.size();
    return List.of(
        new Piece(queue.descriptorArea(), descriptors, false, "the descriptors" + whose),
        new Piece(queue.driverArea(), avail, false, "the available ring" + whose),
        new Piece(queue.deviceArea(), used, true, "the used ring" + whose));
  }

  /** The parts of the chains that it holds. */
  List<Piece> buffers() {
    return buffers;
  }

  /** Chains that it holds. */
  int pending() {
    return pending;
  }

  /** Reads which chains it holds, if they are not those of the last time. */
  void look(BusMaster dma) {
    QueueAddresses queue = addresses();
    int avail = readShort(dma, queue.driverArea() + SplitQueueLayout.AVAIL_IDX);
    int used = readShort(dma, queue.deviceArea() + SplitQueueLayout.USED_IDX);
    if (avail < 0 || used < 0 || avail == availIdx && used == usedIdx) {
      return;
    }
    int chains = avail - used & 0xffff;
    if (chains > queue.size()) {
      return; // what it reads is no ring
    }
    List<Piece> found = new ArrayList<>();
    for (int i = 0; i < chains; i++) {
      int slot = (used + i & 0xffff) % queue.size();
      long entry =
          queue.driverArea()
              + SplitQueueLayout.AVAIL_RING
              + (long) SplitQueueLayout.AVAIL_ENTRY_BYTES * slot;
      found.addAll(chain(dma, readShort(dma, entry)));
    }
    availIdx = avail;
    usedIdx = used;
    pending = chains;
    buffers = found;
  }

  /** The parts of a chain, as the device reads them; cut where it makes no sense. */
  List<Piece> chain(BusMaster dma, int head) {
    QueueAddresses queue = addresses();
    List<Piece> parts = new ArrayList<>();
    int index = head;
    while (parts.size() < queue.size() && index >= 0 && index < queue.size()) {
      long at = queue.descriptorArea() + (long) DescriptorLayout.BYTES * index;
      if (dma.read(at, scratch, 0, DescriptorLayout.BYTES, window) != DmaFault.NONE) {
        break;
      }
      int flags = scratch.get(LE16, DescriptorLayout.FLAGS);
      parts.add(
          new Piece(
              scratch.get(LE64, DescriptorLayout.ADDR),
              Integer.toUnsignedLong(scratch.get(LE32, DescriptorLayout.LEN)),
              (flags & DescriptorLayout.F_WRITE) != 0,
              whatIsHeld));
      if ((flags & DescriptorLayout.F_NEXT) == 0) {
        break;
      }
      index = scratch.get(LE16, DescriptorLayout.NEXT) & 0xffff;
    }
    return parts;
  }

  /** What the device wrote to the used ring last: the index, and the element before it. */
  List<Piece> lastUsed(BusMaster dma) {
    QueueAddresses queue = addresses();
    long idx = queue.deviceArea() + SplitQueueLayout.USED_IDX;
    int used = readShort(dma, idx);
    if (used < 0) {
      return List.of();
    }
    int slot = (used - 1 & 0xffff) % queue.size();
    long element =
        queue.deviceArea()
            + SplitQueueLayout.USED_RING
            + (long) SplitQueueLayout.USED_ELEMENT_BYTES * slot;
    return List.of(
        new Piece(idx, 2, true, "its used ring"),
        new Piece(element, SplitQueueLayout.USED_ELEMENT_BYTES, true, "its used ring"));
  }

  /** The little-endian 16-bit value at {@code address}, or -1 where it cannot be read. */
  private int readShort(BusMaster dma, long address) {
    return dma.read(address, scratch, 0, 2, window) == DmaFault.NONE
        ? scratch.get(LE16, 0) & 0xffff
        : -1;
  }
}
