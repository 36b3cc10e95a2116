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
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
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
 *   <li>it does what a device does, by its own code: in the first gap it receives a frame, in the
 *       others it looks for work. No more frames than one: a buffer that is used is held no longer,
 *       and what is held must not depend on how many gaps there were.
 * </ol>
 *
 * What it wrote goes to the {@link Ledger}; every access comes by the {@link Judge}. Where what it
 * holds is outside its open mappings it writes nothing: that it tries is bad enough, and what it
 * would spoil is chance.
 */
final class Card implements MachineObserver {
  private static final int HEADER_BYTES = 12;
  private static final int FRAME_BYTES = 60;
  private static final int SCRIBBLE_BYTES = 8;
  private static final int ETHERTYPE_OFFSET = 12;

  /** IEEE 802: for experiments. */
  private static final int ETHERTYPE = 0x88b5;

  /** No buffer of a network card has more. */
  private static final int MOST_PAGES = 16;

  final Mainboard.Nic nic;
  final Wire wire;
  private final Log log;
  private final Ledger ledger;
  private final SplittableRandom random;
  private final HeldQueue receiveQueue;
  private final HeldQueue transmitQueue;
  private final DmaWindow window = new DmaWindow();
  private NetworkCard driverSide;
  private String driver;
  private String touching = "";
  private boolean strayed;
  private int scribbles;
  private boolean hasReceived;
  private int lastUsedHead = -1;
  private boolean wasLive;

  Card(Mainboard.Nic nic, Wire wire, Log log, Ledger ledger, SplittableRandom random) {
    this.nic = nic;
    this.wire = wire;
    this.log = log;
    this.ledger = ledger;
    this.random = random;
    receiveQueue = new HeldQueue(nic, VirtioNet.RECEIVE_QUEUE);
    transmitQueue = new HeldQueue(nic, VirtioNet.TRANSMIT_QUEUE);
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
          () -> driverIsOk() ? "may not master the bus any more" : "is reset, and quiet");
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
    BusMaster dma = nic.function().deviceMemory();
    touching = "its receive buffers";
    int left = bytes;
    for (HeldQueue.Piece part : receiveQueue.chain(dma, head)) {
      int filled = (int) Math.min(left, part.bytes());
      readBack(dma, part.address(), filled);
      left -= filled;
    }
    touching = "its used ring";
    for (HeldQueue.Piece part : receiveQueue.lastUsed(dma)) {
      readBack(dma, part.address(), (int) part.bytes());
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
    touchAll(dma, receiveQueue);
    touchAll(dma, transmitQueue);
    scribble(dma);
    if (strayed) {
      return;
    }
    if (!hasReceived && receiveQueue.pending() > 1) {
      hasReceived = true;
      deliver(frame());
    } else {
      touching = "what it looks for on its queues";
      nic.device().poll(1);
    }
  }

  private void touchAll(BusMaster dma, HeldQueue queue) {
    List<HeldQueue.Piece> rings = queue.rings();
    boolean reachable = !rings.isEmpty();
    for (HeldQueue.Piece ring : rings) {
      reachable &= touch(dma, ring);
    }
    if (reachable) {
      touching = "its rings";
      queue.look(dma);
    }
    // What it held when it could still read its rings, it holds still.
    for (HeldQueue.Piece buffer : queue.buffers()) {
      touch(dma, buffer);
    }
  }

  /** Resolves every page of {@code piece}; returns whether each may be accessed. */
  private boolean touch(BusMaster dma, HeldQueue.Piece piece) {
    touching = piece.what();
    DmaAccess access = piece.written() ? DmaAccess.WRITE : DmaAccess.READ;
    long first = piece.address() >>> Ledger.PAGE_SHIFT;
    long last = piece.address() + Math.max(1, piece.bytes()) - 1 >>> Ledger.PAGE_SHIFT;
    boolean all = true;
    for (long page = first; page <= last && page < first + MOST_PAGES; page++) {
      long at = Math.max(piece.address(), page << Ledger.PAGE_SHIFT);
      all &= dma.resolve(at, access, window);
      strayed |= !ledger.isOpen(requesterId(), page);
    }
    return all;
  }

  /** Writes to one of the receive buffers that it holds, each in its turn. */
  private void scribble(BusMaster dma) {
    List<HeldQueue.Piece> buffers = receiveQueue.buffers();
    if (buffers.isEmpty()) {
      return;
    }
    HeldQueue.Piece piece = buffers.get(scribbles++ % buffers.size());
    int bytes = (int) Math.min(SCRIBBLE_BYTES, piece.bytes());
    boolean ours = ledger.isOpen(requesterId(), piece.address() >>> Ledger.PAGE_SHIFT);
    if (!piece.written() || !ours) {
      return; // to touch it was enough: what it would do to others' memory is no part of this
    }
    byte[] data = new byte[bytes];
    random.nextBytes(data);
    touching = "a posted receive buffer";
    if (dma.write(piece.address(), MemorySegment.ofArray(data), 0, bytes, window)
        == DmaFault.NONE) {
      ledger.wrote(requesterId(), piece.address(), data);
    }
  }
}
