package dev.virtiolab.virtio.vhostuser;

import java.util.concurrent.atomic.LongAdder;

/** What front-ends did; any thread. */
public final class VhostUserCounters {
  private final LongAdder frontEnds = new LongAdder();
  private final LongAdder turnedAway = new LongAdder();
  private final LongAdder requests = new LongAdder();
  private final LongAdder refused = new LongAdder();

  VhostUserCounters() {}

  /** Front-ends that came and were served. */
  public long frontEnds() {
    return frontEnds.sum();
  }

  /** Front-ends that came while another was served. */
  public long turnedAway() {
    return turnedAway.sum();
  }

  /** Requests that made sense. */
  public long requests() {
    return requests.sum();
  }

  /** Requests that were not granted. */
  public long refused() {
    return refused.sum();
  }

  void frontEndCame() {
    frontEnds.increment();
  }

  void frontEndTurnedAway() {
    turnedAway.increment();
  }

  void request() {
    requests.increment();
  }

  void requestRefused() {
    refused.increment();
  }
}
