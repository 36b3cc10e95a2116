package dev.virtiolab.virtio.net;

import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.Offload;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.virtio.offload.SoftwareOffload;
import dev.virtiolab.virtio.queue.Chain;
import dev.virtiolab.virtio.queue.Outcome;
import dev.virtiolab.virtio.queue.SplitQueue;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Moves frames from the wire to a receive queue (virtio v1.4, 5.1.6.4 "Processing of Incoming
 * Packets").
 *
 * <p>A frame goes into one buffer, or, with VIRTIO_NET_F_MRG_RXBUF, into as many as it fills. The
 * driver sees all of them in one publication, or none: where the buffers end too early they are
 * taken back, and the frame waits on the wire for more.
 *
 * <p>What the wire leaves to do with a frame is left to the driver where it takes that, and else
 * done here: the frame stays on the wire until the last of its pieces has gone to the driver.
 */
final class Receiver {

  /** What has become of a frame. */
  private enum Fate {
    /** It is in the queue. */
    STORED,
    /** It is dropped, and counted. */
    DROPPED,
    /** It stays on the wire. */
    WAITS
  }

  private final NetQueue queue;
  private final SplitQueue ring;
  private final NetBackend wire;
  private final Link link;
  private final ReceiveFilter filter;
  private final FrameLimit limit;
  private final NicEvents events;

  /** The only buffer of a frame, or its first, which holds the header. */
  private final Chain first;

  /** Each further buffer. */
  private final Chain further;

  // What the observer is told of a frame's buffers once they hold all of it.
  private final int[] heads;
  private final int[] filled;

  private final NetHeader header = new NetHeader();
  private final SoftwareOffload software = new SoftwareOffload();

  /** A piece of the frame on the wire, or all of it with its checksum complete. */
  private final MemorySegment piece = Arena.ofAuto().allocate(NetBackend.LARGEST_FRAME, Long.BYTES);

  /** Bytes of a piece that is made and not stored; 0 for none. */
  private int pieceBytes;

  /** What the driver takes. */
  private int accepted;

  // The frame that is being stored: on the wire, or a piece of it.
  private MemorySegment frame;
  private long frameAt;
  private long work;
  private int tunnel;

  private boolean mergeable;

  /** The frame on the wire needs more buffers than the driver had offered at the last look. */
  private boolean starved;

  Receiver(
      NetQueue queue,
      NetBackend wire,
      Link link,
      ReceiveFilter filter,
      FrameLimit limit,
      NicEvents events) {
    this.queue = queue;
    this.wire = wire;
    this.link = link;
    this.filter = filter;
    this.limit = limit;
    this.events = events;
    ring = queue.ring();
    first = new Chain(ring.maximumSize());
    further = new Chain(ring.maximumSize());
    heads = new int[ring.maximumSize()];
    filled = new int[ring.maximumSize()];
  }

  NetQueue queue() {
    return queue;
  }

  /** Sets the length of the header before each frame. */
  void headerBytes(int present) {
    header.bytes(present);
  }

  void mergeable(boolean negotiated) {
    mergeable = negotiated;
  }

  /**
   * Sets what may be left to the driver to do, from the next frame on.
   *
   * @param kinds of {@link Offload}
   */
  void accept(int kinds) {
    accepted = kinds;
    wire.accept(kinds);
  }

  void reset() {
    resetQueue();
    accept(0);
    mergeable = false;
    header.bytes(NetHeaderLayout.BYTES);
  }

  /** The queue was reset: the frame on the wire may fit in what is offered next. */
  void resetQueue() {
    ring.reset();
    letGo();
  }

  /** Whatever was begun with the frame on the wire is not gone on with. */
  void letGo() {
    starved = false;
    stopPieces();
  }

  private void stopPieces() {
    software.stop();
    pieceBytes = 0;
  }

  /** Whether the frame on the wire goes to the driver in pieces, and some have gone. */
  private boolean inPieces() {
    return pieceBytes != 0 || software.pending();
  }

  /**
   * Asks for a kick when there are more buffers.
   *
   * @return whether there are enough to go on with already
   */
  boolean enableKicks() {
    if (!starved) {
      return ring.enableKicks();
    }
    if (ring.enableKicksForMore()) {
      starved = false;
    }
    return !starved;
  }

  /**
   * Moves one batch.
   *
   * @param budget frames, at most
   * @return frames that the driver was given
   */
  int receive(int budget) {
    int received = 0;
    // What arrives for a queue that is disabled waits on the wire, as where there are no buffers.
    int most = events.enabled(queue.number()) ? budget : 0;
    for (int seen = 0; seen < most; seen++) {
      int length = wire.peek();
      if (length == 0) {
        break;
      }
      if (!link.up()) {
        stopPieces();
        events.dropped(Drop.RX_LINK_DOWN);
        wire.release();
        continue;
      }
      if (inPieces()) {
        if (!storePieces()) {
          break;
        }
        received++;
        wire.release();
        continue;
      }
      if (!filter.accepts(wire.peeked(), wire.peekedOffset(), length)) {
        events.counters().filtered();
        wire.release();
        continue;
      }
      work = wire.peekedOffload();
      tunnel = Offload.isTunnel(Offload.gsoType(work)) ? wire.peekedTunnel() : 0;
      if (work != Offload.NONE && !fitsDriver(length)) {
        continue;
      }
      if (Offload.gsoType(work) == Offload.GSO_NONE
          && limit.isOver(length, wire.peeked(), wire.peekedOffset())) {
        events.dropped(Drop.RX_OVER_MTU);
        wire.release();
        continue;
      }
      frame = wire.peeked();
      frameAt = wire.peekedOffset();
      Fate fate = place(length);
      if (fate == Fate.WAITS) {
        break;
      }
      if (fate == Fate.STORED) {
        events.counters().received(length);
        received++;
      }
      wire.release();
    }
    queue.publish();
    queue.check();
    return received;
  }

  /**
   * Looks at what the wire leaves to do.
   *
   * @return false if the frame was dropped, or goes to the driver in pieces: it is to be looked at
   *     anew
   */
  private boolean fitsDriver(int length) {
    if ((accepted & Offload.CSUM) == 0) {
      work &= ~(long) Offload.DATA_VALID; // "MUST set flags to zero"
    }
    int kinds = Offload.kinds(work);
    if (kinds == 0) {
      return true;
    }
    if (kinds < 0 || !software.begin(wire.peeked(), wire.peekedOffset(), length, work, tunnel)) {
      events.dropped(Drop.RX_BAD_OFFLOAD);
      wire.release();
      return false;
    }
    if (driverTakes(kinds)) {
      software.stop();
      return true;
    }
    events.counters().workedOnIn();
    return false;
  }

  /**
   * A run of datagrams is of the one IP version or the other, and the driver may take just one.
   *
   * <p>Where a tunnel is of another version than what it carries, its type would name the one to
   * the specification, and the other to Linux, which drops what it takes for wrong: such a frame is
   * left to nobody.
   */
  private boolean driverTakes(int kinds) {
    if ((kinds & Offload.TUNNEL) != 0 && software.outerIpVersion() != software.ipVersion()) {
      return false;
    }
    int needed = kinds;
    if (Offload.gsoType(work) == Offload.GSO_UDP_L4) {
      needed &= software.ipVersion() == 4 ? ~Offload.USO6 : ~Offload.USO4;
    }
    return (needed & ~accepted) == 0;
  }

  /** Stores what is left of a frame in pieces; false if a piece waits. */
  private boolean storePieces() {
    frame = piece;
    frameAt = 0;
    work = Offload.NONE;
    tunnel = 0;
    do {
      if (pieceBytes == 0) {
        pieceBytes = software.nextLength();
        software.next(piece, 0);
      }
      Fate fate = placePiece();
      if (fate == Fate.WAITS) {
        return false;
      }
      if (fate == Fate.STORED) {
        events.counters().received(pieceBytes);
      }
      pieceBytes = 0;
    } while (software.pending());
    return true;
  }

  /** A piece says nothing of segments any more, and so is held against the MTU (5.1.4.1). */
  private Fate placePiece() {
    if (limit.isOver(pieceBytes, piece, 0)) {
      events.dropped(Drop.RX_OVER_MTU);
      return Fate.DROPPED;
    }
    return place(pieceBytes);
  }

  private Fate place(int length) {
    if (starved && !ring.look()) {
      return Fate.WAITS;
    }
    starved = false;
    if (!queue.next(first)) {
      return Fate.WAITS;
    }
    if (first.writableParts() == 0) {
      events.breakDown("a receive buffer that cannot be written");
      return Fate.WAITS;
    }
    int room = first.writableBytes() - header.bytes();
    if (room >= length) {
      return placeInOne(length);
    }
    if (mergeable && room >= 0) {
      return placeInSeveral(length, room);
    }
    // The buffer stays: a shorter frame may fit.
    queue.leave(first);
    events.dropped(Drop.RX_NO_ROOM);
    return Fate.DROPPED;
  }

  private Fate placeInOne(int length) {
    DmaFault fault = storeHeader(1);
    if (fault == DmaFault.NONE) {
      fault = ring.scatter(first, header.bytes(), frame, frameAt, length);
    }
    if (fault.mayPass()) {
      queue.leave(first);
      return Fate.WAITS;
    }
    if (fault != DmaFault.NONE) {
      queue.complete(first, 0);
      events.dropped(Drop.RX_DMA_FAULT);
      return Fate.DROPPED;
    }
    queue.complete(first, header.bytes() + length);
    return Fate.STORED;
  }

  /** The first buffer is taken, and filled up; the header comes last, when all are counted. */
  private Fate placeInSeveral(int length, int room) {
    int descriptors = first.parts();
    int done = room;
    DmaFault fault = ring.scatter(first, header.bytes(), frame, frameAt, room);
    note(0, first, first.writableBytes());
    int buffers = 1;
    while (fault == DmaFault.NONE && done < length) {
      if (!queue.next(further)) {
        return tooFew(buffers, descriptors);
      }
      if (further.writableParts() == 0) {
        events.breakDown("a receive buffer that cannot be written");
        return Fate.WAITS;
      }
      int now = Math.min(length - done, further.writableBytes());
      fault = ring.scatter(further, 0, frame, frameAt + done, now);
      note(buffers, further, now);
      descriptors += further.parts();
      done += now;
      buffers++;
    }
    if (fault == DmaFault.NONE) {
      fault = storeHeader(buffers);
    }
    if (fault.mayPass()) {
      takeBack(buffers);
      return Fate.WAITS;
    }
    if (fault != DmaFault.NONE) {
      giveBackEmpty(buffers);
      events.dropped(Drop.RX_DMA_FAULT);
      return Fate.DROPPED;
    }
    ring.keep(heads, buffers);
    for (int i = 0; i < buffers; i++) {
      events.observer().chainUsed(queue.number(), heads[i], filled[i]);
    }
    return Fate.STORED;
  }

  /** Writes the used element of one of several; the driver does not see it before the last. */
  private void note(int buffer, Chain chain, int bytes) {
    heads[buffer] = chain.head();
    filled[buffer] = bytes;
    ring.stage(chain, bytes);
  }

  /** The buffers end before the frame does: it waits for more, or is dropped if none can come. */
  private Fate tooFew(int buffers, int descriptors) {
    takeBack(buffers);
    if (queue.outcome() != Outcome.EMPTY) {
      return Fate.WAITS; // The bus is gone, or the queue is broken: no more buffers are needed.
    }
    if (descriptors >= ring.size()) {
      events.dropped(Drop.RX_NO_ROOM);
      return Fate.DROPPED;
    }
    starved = true;
    return Fate.WAITS;
  }

  private void takeBack(int buffers) {
    ring.takeBack(heads, buffers);
    for (int i = buffers - 1; i >= 0; i--) {
      events.observer().chainLeft(queue.number(), heads[i]);
    }
  }

  /** One of the buffers cannot be written: each goes back with nothing in it. */
  private void giveBackEmpty(int buffers) {
    ring.takeBack(heads, buffers);
    for (int i = 0; i < buffers && queue.next(further); i++) {
      queue.complete(further, 0);
    }
  }

  private DmaFault storeHeader(int buffers) {
    boolean segments = Offload.gsoType(work) != Offload.GSO_NONE;
    header.describe(work, tunnel, segments ? software.headerBytes() : 0, buffers);
    return ring.scatter(first, 0, header.memory(), 0, header.bytes());
  }
}
