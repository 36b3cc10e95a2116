package dev.virtiolab.virtio.net;

import dev.virtiolab.net.NetBackend;
import dev.virtiolab.virtio.queue.QueueState;
import dev.virtiolab.virtio.transport.VirtioTransport;
import java.util.List;

/**
 * The device's pairs of queues, one for each wire, and which of them frames go to (virtio v1.4,
 * 5.1.6.5.6 "Automatic receive steering in multiqueue mode"). Called with the device's lock held.
 *
 * <p>The wires are the queues of one interface, and it is the kernel that steers: it sends the
 * frames of a flow by the queue that the flow last came from. Here a pair is attached to its queue,
 * or not. What the driver sends is taken from every pair that runs, so that frames which it left in
 * a queue before it went down to fewer pairs are not stranded.
 */
final class QueuePairs {
  /** Looks at the transmit rings between two looks at the wires: some 100 ns. */
  private static final int IDLE_LOOKS = 64;

  private final VirtioTransport transport;
  private final QueuePair[] pairs;

  /** Pairs that the driver may know of: all of them, or one. */
  private int known;

  /** Pairs that frames of the wires are for, from the first on. */
  private int selected;

  QueuePairs(
      VirtioTransport transport,
      List<NetBackend> wires,
      Link link,
      ReceiveFilter filter,
      FrameLimit limit,
      NicEvents events) {
    this.transport = transport;
    pairs = new QueuePair[wires.size()];
    for (int i = 0; i < pairs.length; i++) {
      NetBackend wire = wires.get(i);
      String which = pairs.length == 1 ? "" : " " + (i + 1);
      NetQueue in =
          new NetQueue(
              transport.memory(), VirtioNet.MAX_QUEUE_SIZE, 2 * i, "receive" + which, events);
      NetQueue out =
          new NetQueue(
              transport.memory(), VirtioNet.MAX_QUEUE_SIZE, 2 * i + 1, "transmit" + which, events);
      pairs[i] =
          new QueuePair(
              wire,
              link,
              events,
              new Receiver(in, wire, link, filter, limit, events),
              new Transmitter(out, wire, link, limit, events));
    }
    forgetDriver();
  }

  int count() {
    return pairs.length;
  }

  QueuePair pair(int number) {
    return pairs[number];
  }

  /** The data queue of that number: receive queues are even. */
  NetQueue queue(int number) {
    QueuePair pair = pairs[number / 2];
    return number % 2 == 0 ? pair.receiver().queue() : pair.transmitter().queue();
  }

  // ---- what was negotiated

  /**
   * What the driver has agreed to.
   *
   * @param multiqueue whether it knows of more than one pair
   * @param headerBytes of virtio_net_hdr before each frame
   * @param mergeable VIRTIO_NET_F_MRG_RXBUF
   * @param hostWork what it may leave to do, as kinds of {@link dev.virtiolab.net.Offload}
   */
  void agreed(boolean multiqueue, int headerBytes, boolean mergeable, int hostWork) {
    boolean chosen = transport.choosesQueues();
    known = multiqueue || chosen ? pairs.length : 1;
    // "packets only on receiveq1" until the driver has said that it wants more.
    selected = chosen ? pairs.length : 1;
    for (QueuePair pair : pairs) {
      pair.receiver().headerBytes(headerBytes);
      pair.receiver().mergeable(mergeable);
      pair.transmitter().headerBytes(headerBytes);
      pair.transmitter().allow(hostWork);
    }
    attach();
  }

  /** What may be left to the driver to do, as kinds of {@link dev.virtiolab.net.Offload}. */
  void accept(int guestWork) {
    for (QueuePair pair : pairs) {
      pair.receiver().accept(guestWork);
    }
  }

  /**
   * Has frames go to the first {@code wanted} pairs, and to no others from now on.
   *
   * @return false if there are not so many
   */
  boolean select(int wanted) {
    if (wanted < 1 || wanted > pairs.length) {
      return false;
    }
    selected = wanted;
    attach();
    return true;
  }

  void reset() {
    for (QueuePair pair : pairs) {
      pair.reset();
    }
    forgetDriver();
  }

  /** A queue runs from now on. */
  void started(NetQueue queue) {
    if (queue.number() % 2 == 0) {
      attach();
    }
  }

  void resetQueue(int number) {
    QueuePair pair = pairs[number / 2];
    if (number % 2 == 0) {
      pair.receiver().resetQueue();
      attach();
    } else {
      pair.transmitter().resetQueue();
    }
  }

  private void forgetDriver() {
    known = 1;
    selected = 1;
    attach();
  }

  /**
   * Has the frames of the wires go to the selected pairs whose receive queue runs; where there is
   * none they wait for the first. The attaching comes first and in order, so that one is always
   * there and each finds its place among the kernel's.
   */
  private void attach() {
    boolean any = false;
    for (int i = 0; i < selected; i++) {
      if (canReceive(i)) {
        pairs[i].receives(true);
        any = true;
      }
    }
    if (!any) {
      pairs[0].receives(true);
    }
    for (int i = pairs.length - 1; i > 0; i--) {
      if (i >= selected || !canReceive(i)) {
        pairs[i].receives(false);
      }
    }
    if (any && !canReceive(0)) {
      pairs[0].receives(false);
    }
  }

  /** A queue that is being reset is none to steer frames to, nor is one that is not set up. */
  private boolean canReceive(int pair) {
    return transport.queueEnabled(2 * pair)
        && pairs[pair].receiver().queue().ring().state() != QueueState.STOPPED;
  }

  // ---- batches

  /** Moves at most {@code budget} frames each way in every pair. */
  int move(int budget) {
    if (known > 1 && transport.choosesQueues()) {
      attach();
    }
    int moved = 0;
    for (int i = 0; i < known; i++) {
      // A driver may have broken a queue; the device then touches none.
      moved += transport.live() ? pairs[i].transmit(budget) : 0;
      moved += transport.live() ? pairs[i].receive(budget) : 0;
    }
    return moved;
  }

  void enableKicks() {
    for (int i = 0; i < known; i++) {
      pairs[i].enableKicks();
    }
  }

  void disableKicks() {
    for (int i = 0; i < known; i++) {
      pairs[i].disableKicks();
    }
  }

  /** The next look at a wire may be a system call; one at a ring costs a load. */
  void spin() {
    int looks = Math.max(1, IDLE_LOOKS / known);
    for (int i = 0; i < known && !pairs[i].spin(looks); i++) {
      // the next one
    }
  }

  /** Asks for kicks in every pair; returns whether there is work in one. */
  boolean rest() {
    boolean work = false;
    for (int i = 0; i < known; i++) {
      work |= pairs[i].rest();
    }
    for (int i = known; i < pairs.length; i++) {
      pairs[i].awaitNoFrame();
    }
    return work;
  }

  /** Nobody waits for frames. */
  void awaitNoFrame() {
    for (QueuePair pair : pairs) {
      pair.awaitNoFrame();
    }
  }

  void check() {
    for (int i = 0; i < known; i++) {
      pairs[i].check();
    }
  }
}
