package dev.virtiolab.virtio.net;

import dev.virtiolab.virtio.transport.VirtioTransport;
import java.util.EnumSet;
import java.util.Set;

/**
 * Where everything that happens in the device comes by: it is counted, told to the observer, and,
 * the first time, logged. All but the observer belong to the thread that holds the device's lock.
 */
final class NicEvents {
  private static final System.Logger LOG = System.getLogger(VirtioNet.class.getName());

  private final NetCounters counters;
  private final Set<Drop> dropsLogged = EnumSet.noneOf(Drop.class);
  private volatile NicObserver observer = NicObserver.NONE;
  private VirtioTransport transport;
  private boolean breakdownLogged;

  NicEvents(NetCounters counters) {
    this.counters = counters;
  }

  void plugIn(VirtioTransport into) {
    transport = into;
  }

  void observe(NicObserver listener) {
    observer = listener;
  }

  NetCounters counters() {
    return counters;
  }

  NicObserver observer() {
    return observer;
  }

  /** Whether the device may touch its queues. */
  boolean live() {
    return transport.live();
  }

  /** Whether a queue that runs may have effects. */
  boolean enabled(int queue) {
    return transport.queueEnabled(queue);
  }

  void dropped(Drop reason) {
    counters.dropped(reason);
    observer.dropped(reason);
    if (dropsLogged.add(reason)) {
      LOG.log(System.Logger.Level.WARNING, "dropped: {0}; further ones are counted", reason.text());
    }
  }

  void interrupt(int queue) {
    counters.queueInterrupt();
    observer.interrupted(queue);
    transport.queueInterrupt(queue);
  }

  void configChanged() {
    counters.configInterrupt();
    observer.configInterrupted();
    transport.configChanged();
  }

  /** The driver broke a rule that only a reset mends. */
  void breakDown(String why) {
    counters.brokeDown();
    counters.configInterrupt();
    observer.brokeDown(why);
    if (!breakdownLogged) {
      breakdownLogged = true;
      LOG.log(System.Logger.Level.WARNING, "needs a reset: {0}; further ones are counted", why);
    }
    transport.needsReset();
  }
}
