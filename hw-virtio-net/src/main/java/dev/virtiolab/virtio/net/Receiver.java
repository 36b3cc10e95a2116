package dev.virtiolab.virtio.net;

import dev.virtiolab.net.NetBackend;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.virtio.queue.Chain;
import dev.virtiolab.virtio.queue.Outcome;
import dev.virtiolab.virtio.queue.SplitQueue;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Moves frames from the wire to a receive queue (virtio v1.4, 5.1.6.4 "Processing of Incoming
 * Packets").
 *
 * <p>A frame goes into one buffer, or, with VIRTIO_NET_F_MRG_RXBUF, into as many as it fills. The
 * driver sees all of them in one publication, or none: where the buffers end too early they are
 * taken back, and the frame waits on the wire for more.
 */
final class Receiver {
  private static final ValueLayout.OfShort LE16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

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

  private final MemorySegment header = Arena.ofAuto().allocate(NetHeaderLayout.BYTES, 8);

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

  void mergeable(boolean negotiated) {
    mergeable = negotiated;
  }

  void reset() {
    resetQueue();
    mergeable = false;
  }

  /** The queue was reset: the frame on the wire may fit in what is offered next. */
  void resetQueue() {
    ring.reset();
    starved = false;
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
        events.dropped(Drop.RX_LINK_DOWN);
        wire.release();
        continue;
      }
      if (!filter.accepts(wire.peeked(), wire.peekedOffset(), length)) {
        events.counters().filtered();
        wire.release();
        continue;
      }
      if (limit.isOver(length, wire.peeked(), wire.peekedOffset())) {
        events.dropped(Drop.RX_OVER_MTU);
        wire.release();
        continue;
      }
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
    int room = first.writableBytes() - NetHeaderLayout.BYTES;
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
      fault =
          ring.scatter(first, NetHeaderLayout.BYTES, wire.peeked(), wire.peekedOffset(), length);
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
    queue.complete(first, NetHeaderLayout.BYTES + length);
    return Fate.STORED;
  }

  /** The first buffer is taken, and filled up; the header comes last, when all are counted. */
  private Fate placeInSeveral(int length, int room) {
    int descriptors = first.parts();
    int done = room;
    DmaFault fault =
        ring.scatter(first, NetHeaderLayout.BYTES, wire.peeked(), wire.peekedOffset(), room);
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
      fault = ring.scatter(further, 0, wire.peeked(), wire.peekedOffset() + done, now);
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
    // flags and gso_type stay 0: the frame is whole, and its checksums are.
    header.set(LE16, NetHeaderLayout.NUM_BUFFERS, (short) buffers);
    return ring.scatter(first, 0, header, 0, NetHeaderLayout.BYTES);
  }
}
