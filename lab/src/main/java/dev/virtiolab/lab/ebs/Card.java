package dev.virtiolab.lab.ebs;

import dev.virtiolab.firmware.exitboot.NetworkCard;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.lab.trace.MachineObserver;
import dev.virtiolab.pci.function.BusMaster;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.virtio.feature.DeviceStatus;
import dev.virtiolab.virtio.net.VirtioNet;
import dev.virtiolab.virtio.queue.DescriptorLayout;
import dev.virtiolab.virtio.queue.SplitQueueLayout;
import dev.virtiolab.virtio.transport.QueueAddresses;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * A card on trial, and the DMA it attempts.
 *
 * <p>The device holds its rings, the receive buffers that are posted and not yet used, and the
 * frame that is in flight, since the wire does not take it. At each gap, while it is live,
 *
 * <ol>
 *   <li>it reads its rings and touches every page that it holds, for reading or writing, by the way
 *       by which the device itself reaches memory;
 *   <li>it writes a few bytes to one of the receive buffers that it holds;
 *   <li>while more than one is posted, it receives a frame, by its own code.
 * </ol>
 *
 * What it wrote goes to the {@link Ledger}; every access comes by the {@link Judge}. Where what it
 * holds is outside its open mappings it writes nothing: that it tries is bad enough, and what it
 * would spoil is chance.
 */
final class Card implements MachineObserver {
  private static final ValueLayout.OfShort LE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt LE32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LE64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final int HEADER_BYTES = 12;
  private static final int FRAME_BYTES = 60;
  private static final int SCRIBBLE_BYTES = 8;
  private static final int ETHERTYPE_OFFSET = 12;

  /** IEEE 802: for experiments. */
  private static final int ETHERTYPE = 0x88b5;

  /** No buffer of a network card has more. */
  private static final int MOST_PAGES = 16;

  /** A piece of memory that the device holds. */
  private record Piece(long address, long bytes, boolean written, String what) {}

  /** What a queue looked like, and what follows from it. */
  private static final class Held {
    int availIdx = -1;
    int usedIdx = -1;
    int pending;
    List<Piece> pieces = List.of();
  }

  final Mainboard.Nic nic;
  final Wire wire;
  private final Log log;
  private final Ledger ledger;
  private final SplittableRandom random;
  private final Held[] held = {new Held(), new Held()};
  private final DmaWindow window = new DmaWindow();
  private final MemorySegment scratch = MemorySegment.ofArray(new byte[DescriptorLayout.BYTES]);
  private NetworkCard driverSide;
  private String driver;
  private String touching = "";
  private boolean strayed;
  private int scribbles;
  private int received;
  private int lastUsedHead = -1;
  private boolean wasLive;

  Card(Mainboard.Nic nic, Wire wire, Log log, Ledger ledger, SplittableRandom random) {
    this.nic = nic;
    this.wire = wire;
    this.log = log;
    this.ledger = ledger;
    this.random = random;
  }

  /** Its driver has brought it up. */
  void started(String driverName, NetworkCard side) {
    driver = driverName;
    driverSide = side;
  }

  NetworkCard driverSide() {
    return driverSide;
  }

  /** The driver's name. */
  String driver() {
    return driver;
  }

  /** Its address on the bus, as a name. */
  String name() {
    return nic.address().toString();
  }

  int requesterId() {
    return nic.address().requesterId();
  }

  /** What it is that it accesses at the moment. */
  String touching() {
    return touching;
  }

  /** DRIVER_OK set and bus mastering on. */
  boolean isLive() {
    return driverIsOk() && nic.function().busMasterEnabled();
  }

  private boolean driverIsOk() {
    return (nic.function().deviceStatus() & DeviceStatus.DRIVER_OK) != 0;
  }

  /** Why it is not quiet; null if it is: its queues are stopped. */
  String whyNotQuiet() {
    if (driverIsOk()) {
      return "DRIVER_OK is set still";
    }
    for (int queue = 0; queue < VirtioNet.QUEUES; queue++) {
      if (nic.function().queueAddresses(queue).enabled()) {
        return "queue " + queue + " is enabled still";
      }
    }
    return null;
  }

  /** Tells of the moment when it stopped being live. */
  void noteLiveness() {
    boolean live = isLive();
    if (wasLive && !live) {
      log.step(
          name(),
          Step.Kind.QUIET,
          () ->
              (driverIsOk() ? "may not master the bus any more" : "is reset, and quiet")
                  + "; frames received till then: "
                  + received);
    }
    wasLive = live;
  }

  // ---- frames

  /** A frame of random bytes, from a station that is locally administered, to a group. */
  byte[] frame() {
    byte[] frame = new byte[FRAME_BYTES];
    random.nextBytes(frame);
    Arrays.fill(frame, 0, 6, (byte) 0xff);
    frame[6] = (byte) (frame[6] & 0xfc | 2);
    frame[ETHERTYPE_OFFSET] = (byte) (ETHERTYPE >>> 8);
    frame[ETHERTYPE_OFFSET + 1] = (byte) ETHERTYPE;
    return frame;
  }

  /**
   * Has the device receive {@code frame}.
   *
   * @return whether it took it
   */
  boolean deliver(byte[] frame) {
    touching = "for a frame that has come";
    lastUsedHead = -1;
    wire.offer(frame);
    nic.device().poll(1);
    boolean taken = wire.withdraw();
    received += taken ? 1 : 0;
    if (lastUsedHead >= 0) {
      noteReceived(lastUsedHead, frame.length + HEADER_BYTES);
    }
    return taken;
  }

  @Override
  public void chainUsed(int queue, int head, int writtenBytes) {
    if (queue == VirtioNet.RECEIVE_QUEUE && writtenBytes > 0) {
      lastUsedHead = head;
    }
  }

  /** Reads back what the device has written: the frame, and its place in the used ring. */
  private void noteReceived(int head, int bytes) {
    QueueAddresses queue = nic.function().queueAddresses(VirtioNet.RECEIVE_QUEUE);
    BusMaster dma = nic.function().deviceMemory();
    touching = "its receive buffers";
    int left = bytes;
    for (Piece piece : chain(dma, queue, head)) {
      int part = (int) Math.min(left, piece.bytes);
      readBack(dma, piece.address, part);
      left -= part;
    }
    touching = "its used ring";
    int used = readShort(dma, queue.deviceArea() + SplitQueueLayout.USED_IDX);
    if (used >= 0) {
      readBack(dma, queue.deviceArea() + SplitQueueLayout.USED_IDX, 2);
      int slot = (used - 1 & 0xffff) % queue.size();
      readBack(
          dma,
          queue.deviceArea()
              + SplitQueueLayout.USED_RING
              + (long) SplitQueueLayout.USED_ELEMENT_BYTES * slot,
          SplitQueueLayout.USED_ELEMENT_BYTES);
    }
  }

  /** Looks at what is where the device has written: it need not be allowed to read there. */
  private void readBack(BusMaster dma, long address, int bytes) {
    byte[] data = new byte[bytes];
    for (int done = 0; done < bytes; ) {
      long at = address + done;
      if (!dma.resolve(at, DmaAccess.WRITE, window)) {
        return;
      }
      int part = (int) Math.min(bytes - done, window.remaining(at));
      MemorySegment.copy(
          window.segment(), ValueLayout.JAVA_BYTE, window.offset(at), data, done, part);
      done += part;
    }
    ledger.wrote(requesterId(), address, data);
  }

  // ---- DMA in a gap

  /** Attempts DMA, if it is live. */
  void attempt() {
    if (!isLive()) {
      return;
    }
    strayed = false;
    BusMaster dma = nic.function().deviceMemory();
    for (int queue = 0; queue < VirtioNet.QUEUES; queue++) {
      touchQueue(dma, queue);
    }
    scribble(dma);
    if (held[VirtioNet.RECEIVE_QUEUE].pending > 1 && !strayed) {
      deliver(frame());
    }
  }

  private void touchQueue(BusMaster dma, int number) {
    QueueAddresses queue = nic.function().queueAddresses(number);
    Held holds = held[number];
    if (!queue.enabled()) {
      holds.pending = 0;
      holds.pieces = List.of();
      return;
    }
    int size = queue.size();
    String whose = number == VirtioNet.RECEIVE_QUEUE ? "receive queue" : "transmit queue";
    boolean reachable =
        touch(
                dma,
                new Piece(
                    queue.descriptorArea(),
                    (long) DescriptorLayout.BYTES * size,
                    false,
                    "the descriptors of its " + whose))
            & touch(
                dma,
                new Piece(
                    queue.driverArea(),
                    SplitQueueLayout.AVAIL_RING + (long) SplitQueueLayout.AVAIL_ENTRY_BYTES * size,
                    false,
                    "the available ring of its " + whose))
            & touch(
                dma,
                new Piece(
                    queue.deviceArea(),
                    SplitQueueLayout.USED_RING + (long) SplitQueueLayout.USED_ELEMENT_BYTES * size,
                    true,
                    "the used ring of its " + whose));
    if (reachable) {
      look(dma, queue, holds, number);
    }
    // What it held when it could still read its rings, it holds still.
    for (Piece piece : holds.pieces) {
      touch(dma, piece);
    }
  }

  /** Reads which chains it holds, if they are not those of the last time. */
  private void look(BusMaster dma, QueueAddresses queue, Held holds, int number) {
    touching = "its rings";
    int avail = readShort(dma, queue.driverArea() + SplitQueueLayout.AVAIL_IDX);
    int used = readShort(dma, queue.deviceArea() + SplitQueueLayout.USED_IDX);
    if (avail < 0 || used < 0 || avail == holds.availIdx && used == holds.usedIdx) {
      return;
    }
    int pending = avail - used & 0xffff;
    if (pending > queue.size()) {
      return; // what it reads is no ring
    }
    String what =
        number == VirtioNet.RECEIVE_QUEUE ? "a posted receive buffer" : "the frame in flight";
    List<Piece> pieces = new ArrayList<>();
    for (int i = 0; i < pending; i++) {
      int slot = (used + i & 0xffff) % queue.size();
      int head =
          readShort(
              dma,
              queue.driverArea()
                  + SplitQueueLayout.AVAIL_RING
                  + (long) SplitQueueLayout.AVAIL_ENTRY_BYTES * slot);
      for (Piece piece : chain(dma, queue, head)) {
        pieces.add(new Piece(piece.address, piece.bytes, piece.written, what));
      }
    }
    holds.availIdx = avail;
    holds.usedIdx = used;
    holds.pending = pending;
    holds.pieces = pieces;
  }

  /** The parts of a chain, as the device reads them; cut where it makes no sense. */
  private List<Piece> chain(BusMaster dma, QueueAddresses queue, int head) {
    List<Piece> pieces = new ArrayList<>();
    int index = head;
    for (int parts = 0; parts < queue.size() && index >= 0 && index < queue.size(); parts++) {
      long at = queue.descriptorArea() + (long) DescriptorLayout.BYTES * index;
      if (dma.read(at, scratch, 0, DescriptorLayout.BYTES, window) != DmaFault.NONE) {
        break;
      }
      int flags = scratch.get(LE16, DescriptorLayout.FLAGS);
      pieces.add(
          new Piece(
              scratch.get(LE64, DescriptorLayout.ADDR),
              Integer.toUnsignedLong(scratch.get(LE32, DescriptorLayout.LEN)),
              (flags & DescriptorLayout.F_WRITE) != 0,
              ""));
      if ((flags & DescriptorLayout.F_NEXT) == 0) {
        break;
      }
      index = scratch.get(LE16, DescriptorLayout.NEXT) & 0xffff;
    }
    return pieces;
  }

  /** The little-endian 16-bit value at {@code address}, or -1 where it cannot be read. */
  private int readShort(BusMaster dma, long address) {
    return dma.read(address, scratch, 0, 2, window) == DmaFault.NONE
        ? scratch.get(LE16, 0) & 0xffff
        : -1;
  }

  /** Resolves every page of {@code piece}; returns whether each may be accessed. */
  private boolean touch(BusMaster dma, Piece piece) {
    touching = piece.what;
    DmaAccess access = piece.written ? DmaAccess.WRITE : DmaAccess.READ;
    long first = piece.address >>> Ledger.PAGE_SHIFT;
    long last = piece.address + Math.max(1, piece.bytes) - 1 >>> Ledger.PAGE_SHIFT;
    boolean all = true;
    for (long page = first; page <= last && page < first + MOST_PAGES; page++) {
      long at = Math.max(piece.address, page << Ledger.PAGE_SHIFT);
      all &= dma.resolve(at, access, window);
      strayed |= !ledger.isOpen(requesterId(), page);
    }
    return all;
  }

  /** Writes to one of the receive buffers that it holds, each in its turn. */
  private void scribble(BusMaster dma) {
    List<Piece> buffers = held[VirtioNet.RECEIVE_QUEUE].pieces;
    if (buffers.isEmpty()) {
      return;
    }
    Piece piece = buffers.get(scribbles++ % buffers.size());
    int bytes = (int) Math.min(SCRIBBLE_BYTES, piece.bytes);
    boolean ours = ledger.isOpen(requesterId(), piece.address >>> Ledger.PAGE_SHIFT);
    if (!piece.written || !ours) {
      return; // to touch it was enough: what it would do to others' memory is no part of this
    }
    byte[] data = new byte[bytes];
    random.nextBytes(data);
    touching = "a posted receive buffer";
    if (dma.write(piece.address, MemorySegment.ofArray(data), 0, bytes, window) == DmaFault.NONE) {
      ledger.wrote(requesterId(), piece.address, data);
    }
  }
}
