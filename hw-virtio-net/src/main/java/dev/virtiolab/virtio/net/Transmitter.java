package dev.virtiolab.virtio.net;

import dev.virtiolab.net.NetBackend;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.virtio.queue.Chain;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Moves frames from a transmit queue to the wire (virtio v1.4, 5.1.6.2 "Packet Transmission"). */
final class Transmitter {
  private static final int ETHERNET_HEADER_BYTES = 14;

  /** Flags that leave work to the device which it did not offer to do. */
  private static final int OFFLOAD_FLAGS =
      NetHeaderLayout.F_NEEDS_CSUM | NetHeaderLayout.F_UDP_TUNNEL_CSUM;

  private final NetQueue queue;
  private final NetBackend wire;
  private final Link link;
  private final FrameLimit limit;
  private final NicEvents events;
  private final Chain chain;
  private final MemorySegment header = Arena.ofAuto().allocate(NetHeaderLayout.BYTES, 8);

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

  /** The queue was reset: nothing waits. */
  void reset() {
    queue.ring().reset();
    held = false;
  }

  /**
   * Moves one batch.
   *
   * @param budget frames, at most
   * @return frames that went out
   */
  int transmit(int budget) {
    int sent = 0;
    boolean heldBefore = held;
    held = false;
    for (int taken = 0; taken < budget; taken++) {
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
   * @return its length; 0 if it was dropped; -1 if it has to stay in the queue
   */
  private int send() {
    int length = chain.readableBytes() - NetHeaderLayout.BYTES;
    if (length < 0) {
      return drop(Drop.TX_SHORT_HEADER);
    }
    DmaFault fault = queue.ring().gather(chain, 0, header, 0, NetHeaderLayout.BYTES);
    if (fault != DmaFault.NONE) {
      return notReadable(fault);
    }
    // Flags that the device does not know are ignored (5.1.6.2.2); these it knows and cannot serve.
    if ((header.get(ValueLayout.JAVA_BYTE, NetHeaderLayout.FLAGS) & OFFLOAD_FLAGS) != 0
        || header.get(ValueLayout.JAVA_BYTE, NetHeaderLayout.GSO_TYPE)
            != NetHeaderLayout.GSO_NONE) {
      return drop(Drop.TX_OFFLOAD);
    }
    if (length < ETHERNET_HEADER_BYTES) {
      return drop(Drop.TX_RUNT);
    }
    if (length > wire.maxFrameLength()) {
      return drop(Drop.TX_GIANT);
    }
    if (limit.isOver(length)) {
      return drop(Drop.TX_OVER_MTU);
    }
    if (!link.up()) {
      return drop(Drop.TX_LINK_DOWN);
    }
    if (!events.enabled(queue.number())) {
      return drop(Drop.TX_DISABLED);
    }
    if (!wire.claim(length)) {
      held = true;
      return -1;
    }
    fault =
        queue
            .ring()
            .gather(chain, NetHeaderLayout.BYTES, wire.claimed(), wire.claimedOffset(), length);
    if (fault != DmaFault.NONE) {
      wire.abort();
      return notReadable(fault);
    }
    // Only now the frame lies where the driver cannot change its type any more.
    if (limit.isOver(length, wire.claimed(), wire.claimedOffset())) {
      wire.abort();
      return drop(Drop.TX_OVER_MTU);
    }
    wire.commit();
    return length;
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
