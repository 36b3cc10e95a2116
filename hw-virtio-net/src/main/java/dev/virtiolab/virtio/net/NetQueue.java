package dev.virtiolab.virtio.net;

import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.virtio.queue.Chain;
import dev.virtiolab.virtio.queue.Outcome;
import dev.virtiolab.virtio.queue.QueueState;
import dev.virtiolab.virtio.queue.SplitQueue;

/** A virtqueue of the device, each step of which is told to {@link NicEvents}. */
final class NetQueue {
  private final SplitQueue ring;
  private final String name;
  private final NicEvents events;
  private int number;
  private Outcome outcome = Outcome.EMPTY;

  /**
   * @param number the queue's, as the driver knows it
   * @param name for a log
   */
  NetQueue(BusMemory memory, int maxSize, int number, String name, NicEvents events) {
    ring = new SplitQueue(memory, maxSize);
    this.number = number;
    this.name = name;
    this.events = events;
  }

  SplitQueue ring() {
    return ring;
  }

  int number() {
    return number;
  }

  /** The control queue moves when the driver accepts more pairs (virtio v1.4, 5.1.2). */
  void renumber(int to) {
    number = to;
  }

  /** Takes the next chain; false if there is none now, or the queue is broken. */
  boolean next(Chain chain) {
    outcome = ring.next(chain);
    if (outcome != Outcome.CHAIN) {
      return false;
    }
    events
        .observer()
        .chainTaken(number, chain.head(), chain.readableBytes(), chain.writableBytes());
    return true;
  }

  /** What {@link #next} found last. */
  Outcome outcome() {
    return outcome;
  }

  /** Leaves the chain taken last in the ring. */
  void leave(Chain chain) {
    ring.rewind(chain);
    events.observer().chainLeft(number, chain.head());
  }

  void complete(Chain chain, int writtenBytes) {
    ring.complete(chain, writtenBytes);
    events.observer().chainUsed(number, chain.head(), writtenBytes);
  }

  /** Ends a batch: shows the driver what was used, and interrupts it if it wants that. */
  void publish() {
    if (ring.publish()) {
      events.interrupt(number);
    }
  }

  /** Breaks the device down if the driver has broken the queue. */
  void check() {
    if (ring.state() == QueueState.BROKEN && events.live()) {
      events.breakDown("the " + name + " queue: " + ring.error());
    }
  }
}
