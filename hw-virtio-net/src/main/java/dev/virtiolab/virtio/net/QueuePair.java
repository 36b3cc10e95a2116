package dev.virtiolab.virtio.net;

import dev.virtiolab.net.NetBackend;
import dev.virtiolab.virtio.queue.SplitQueue;

/** A receive queue and a transmit queue, and the wire that both are plugged into. */
final class QueuePair {
  private final NetBackend wire;
  private final Link link;
  private final NicEvents events;
  private final Receiver receiver;
  private final Transmitter transmitter;

  /** Whether frames of the wire go to this pair. */
  private boolean receives;

  /** Whether, at the last {@link #rest}, nothing but a frame was missing. */
  private boolean awaitsFrame;

  QueuePair(NetBackend wire, Link link, NicEvents events, Receiver receiver, Transmitter sender) {
    this.wire = wire;
    this.link = link;
    this.events = events;
    this.receiver = receiver;
    transmitter = sender;
  }

  Receiver receiver() {
    return receiver;
  }

  Transmitter transmitter() {
    return transmitter;
  }

  NetBackend wire() {
    return wire;
  }

  /** Has frames of the wire go to this pair from now on, or to others. */
  void receives(boolean on) {
    if (on != receives) {
      receives = on;
      receiver.letGo();
      wire.attach(on);
    }
  }

  /** Moves at most {@code budget} frames to the wire. */
  int transmit(int budget) {
    return transmitter.transmit(budget);
  }

  /** Moves at most {@code budget} frames from the wire. */
  int receive(int budget) {
    return receives ? receiver.receive(budget) : 0;
  }

  void enableKicks() {
    transmitter.queue().ring().enableKicks();
    receiver.enableKicks();
  }

  void disableKicks() {
    transmitter.queue().ring().disableKicks();
    receiver.queue().ring().disableKicks();
  }

  /** Waits a little for the driver to send; returns whether it has. */
  boolean spin(int looks) {
    SplitQueue ring = transmitter.queue().ring();
    return !transmitter.held() && ring.spin(looks);
  }

  /**
   * Asks for kicks, and looks whether something came before the driver could know.
   *
   * @return whether there is work; else {@link #awaitsFrame} says whether a frame would be
   */
  boolean rest() {
    awaitsFrame = false;
    boolean toSend = transmitter.queue().ring().enableKicks() && !transmitter.held();
    if (!receives) {
      return toSend;
    }
    boolean room = receiver.enableKicks() && events.enabled(receiver.queue().number());
    boolean frame = wire.peek() != 0;
    if (room && !frame) {
      // With buffers to spare it is a frame that is waited for: each further buffer would wake
      // us for nothing.
      receiver.queue().ring().disableKicks();
    }
    awaitsFrame = !frame;
    return toSend || (frame && (room || !link.up()));
  }

  boolean awaitsFrame() {
    return awaitsFrame;
  }

  /** Nothing but a kick or a word of the wire is waited for. */
  void awaitNoFrame() {
    awaitsFrame = false;
  }

  /** Breaks the device down if the driver has broken one of the queues. */
  void check() {
    receiver.queue().check();
    transmitter.queue().check();
  }

  void reset() {
    receiver.reset();
    transmitter.reset();
  }
}
