package dev.virtiolab.virtio.net;

import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.Offload;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.virtio.offload.SoftwareOffload;
import dev.virtiolab.virtio.queue.Chain;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Moves frames from a transmit queue to the wire (virtio v1.4, 5.1.6.2 "Packet Transmission").
 *
 * <p>What a driver leaves to do with a frame is held against the frame, and then left to the wire,
 * or done here: a frame that is to be cut is copied once more, its buffer goes back to the driver,
 * and the pieces go out as the wire has room for them, before the next frame.
 */
final class Transmitter {
  private static final int ETHERNET_HEADER_BYTES = 14;

  /** The largest frame that is cut: an IPv6 packet with its header (5.1.6.3), and two tags. */
  private static final int LARGEST_CUT = 65_589 + 8;

  private final NetQueue queue;
  private final NetBackend wire;
  private final Link link;
  private final FrameLimit limit;
  private final NicEvents events;
  private final Chain chain;
  private final NetHeader header = new NetHeader();
  private final SoftwareOffload software = new SoftwareOffload();

  /** A frame that is being cut. */
  private final MemorySegment whole = Arena.ofAuto().allocate(LARGEST_CUT, Long.BYTES);

  /** What the driver may leave to do. */
  private int allowed;

  /** The wire had no room for the next frame: it will say when it has. */
  private boolean held;

  Transmitter(NetQueue queue, NetBackend wire, Link link, FrameLimit limit, NicEvents events) {
    this.queue = queue;
    this.wire = wire;
    this.link = link;
    this.limit = limit;
    this.events = events;
    chain = new Chain(queue.ring().maximumSize());
  }

  NetQueue queue() {
    return queue;
  }

  /** Whether a frame waits for room on the wire. */
  boolean held() {
    return held;
  }

  /** Sets the length of the header before each frame. */
  void headerBytes(int present) {
    header.bytes(present);
  }

  /**
   * Sets what the driver may leave to do.
   *
   * @param kinds of {@link Offload}
   */
  void allow(int kinds) {
    allowed = kinds;
  }

  /** The queue was reset: nothing waits. */
  void resetQueue() {
    queue.ring().reset();
    software.stop();
    held = false;
  }

  void reset() {
    resetQueue();
    allowed = 0;
    header.bytes(NetHeaderLayout.BYTES);
  }

  /**
   * Moves one batch.
   *
   * @param budget frames, at most
   * @return frames that went out
   */
  int transmit(int budget) {
    boolean heldBefore = held;
    held = false;
    int sent = sendPieces(budget);
    for (int taken = 0; taken < budget && sent < budget && !held; taken++) {
      if (!queue.next(chain)) {
        break;
      }
      if (chain.readableParts() == 0) {
        // QEMU gives up as well: there is no header to be wrong.
        events.breakDown("a transmit buffer that cannot be read");
        break;
      }
      int length = send();
      if (length < 0) {
        if (held && !(heldBefore && taken == 0)) {
          events.counters().held(); // once for each frame, however often it is tried
        }
        queue.leave(chain);
        break;
      }
      queue.complete(chain, 0);
      if (length > 0) {
        events.counters().sent(length);
        sent++;
      }
      sent += sendPieces(budget - sent);
    }
    if (sent > 0) {
      wire.flush();
    }
    queue.publish();
    queue.check();
    return sent;
  }

  /**
   * Sends the frame in {@link #chain}.
   *
   * @return its length; 0 if it was dropped, or is to go out in pieces; -1 if it has to stay in the
   *     queue
   */
  private int send() {
    int length = chain.readableBytes() - header.bytes();
    if (length < 0) {
      return drop(Drop.TX_SHORT_HEADER);
    }
    DmaFault fault = queue.ring().gather(chain, 0, header.memory(), 0, header.bytes());
    if (fault != DmaFault.NONE) {
      return notReadable(fault);
    }
    long work = header.work();
    int kinds = Offload.kinds(work);
    if ((kinds & ~allowed) != 0) {
      return drop(Drop.TX_OFFLOAD);
    }
    if (length < ETHERNET_HEADER_BYTES) {
      return drop(Drop.TX_RUNT);
    }
    boolean wireDoes = (kinds & ~wire.offloads()) == 0;
    boolean cut =
        Offload.gsoType(work) != Offload.GSO_NONE && !(wireDoes && length <= wire.maxFrameLength());
    if (length > (cut ? LARGEST_CUT : wire.maxFrameLength())) {
      return drop(Drop.TX_GIANT);
    }
    if (Offload.gsoType(work) == Offload.GSO_NONE && limit.isOver(length)) {
      return drop(Drop.TX_OVER_MTU);
    }
    if (!link.up()) {
      return drop(Drop.TX_LINK_DOWN);
    }
    if (!events.enabled(queue.number())) {
      return drop(Drop.TX_DISABLED);
    }
    return cut ? beginPieces(length, work) : sendWhole(length, work, wireDoes);
  }

  private int sendWhole(int length, long work, boolean wireDoes) {
    if (!wire.claim(length)) {
      held = true;
      return -1;
    }
    MemorySegment memory = wire.claimed();
    long offset = wire.claimedOffset();
    DmaFault fault = queue.ring().gather(chain, header.bytes(), memory, offset, length);
    if (fault != DmaFault.NONE) {
      wire.abort();
      return notReadable(fault);
    }
    // Only now the frame lies where the driver cannot change its type any more.
    if (Offload.gsoType(work) == Offload.GSO_NONE && limit.isOver(length, memory, offset)) {
      wire.abort();
      return drop(Drop.TX_OVER_MTU);
    }
    if (work != Offload.NONE) {
      int tunnel = header.tunnel();
      if (!software.fits(memory, offset, length, work, tunnel)) {
        wire.abort();
        return drop(Drop.TX_BAD_OFFLOAD);
      }
      if (wireDoes) {
        wire.claimedOffload(software.forWire(work), tunnel);
      } else {
        software.complete(memory, offset, length, work);
        events.counters().workedOnOut();
      }
    }
    wire.commit();
    return length;
  }

  /** Takes the frame in {@link #chain} over: from now on only its pieces are looked at. */
  private int beginPieces(int length, long work) {
    DmaFault fault = queue.ring().gather(chain, header.bytes(), whole, 0, length);
    if (fault != DmaFault.NONE) {
      return notReadable(fault);
    }
    if (!software.begin(whole, 0, length, work, header.tunnel())) {
      return drop(Drop.TX_BAD_OFFLOAD);
    }
    events.counters().workedOnOut();
    return 0;
  }

  /** Sends pieces of the frame that was taken over; returns how many went out. */
  private int sendPieces(int budget) {
    int sent = 0;
    while (software.pending() && sent < budget) {
      int length = software.nextLength();
      if (!link.up() || length > wire.maxFrameLength()) {
        software.stop();
        events.dropped(link.up() ? Drop.TX_GIANT : Drop.TX_LINK_DOWN);
      } else if (!wire.claim(length)) {
        held = true;
        return sent;
      } else {
        sent += sendPiece(length);
      }
    }
    return sent;
  }

  /**
   * Sends the next piece by the open claim; 0 if it is too long, as only the driver's sizes say.
   */
  private int sendPiece(int length) {
    MemorySegment memory = wire.claimed();
    long offset = wire.claimedOffset();
    software.next(memory, offset);
    if (limit.isOver(length, memory, offset)) {
      wire.abort();
      return drop(Drop.TX_OVER_MTU);
    }
    wire.commit();
    events.counters().sent(length);
    return 1;
  }

  private int notReadable(DmaFault fault) {
    // The driver took the bus away in mid-batch, or its IOMMU is still asked: the chain waits.
    return fault.mayPass() ? -1 : drop(Drop.TX_DMA_FAULT);
  }

  private int drop(Drop reason) {
    events.dropped(reason);
    return 0;
  }
}
