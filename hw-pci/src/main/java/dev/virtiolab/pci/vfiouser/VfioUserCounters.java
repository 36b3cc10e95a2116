package dev.virtiolab.pci.vfiouser;

import java.util.concurrent.atomic.AtomicLong;

/** What a server has seen; any thread reads. */
public final class VfioUserCounters {
  final AtomicLong clients = new AtomicLong();
  final AtomicLong turnedAway = new AtomicLong();
  final AtomicLong messages = new AtomicLong();
  final AtomicLong refused = new AtomicLong();
  final AtomicLong dmaReads = new AtomicLong();
  final AtomicLong dmaWrites = new AtomicLong();
  final AtomicLong dmaRefused = new AtomicLong();

  VfioUserCounters() {}

  /** Clients that were let in. */
  public long clients() {
    return clients.get();
  }

  /** Clients that came while there was one. */
  public long turnedAway() {
    return turnedAway.get();
  }

  /** Messages from all of them. */
  public long messages() {
    return messages.get();
  }

  /** Messages that were answered with an error, or not at all for what they were. */
  public long refused() {
    return refused.get();
  }

  /** Reads of memory that came without a descriptor: VFIO_USER_DMA_READ. */
  public long dmaReads() {
    return dmaReads.get();
  }

  /** Writes likewise: VFIO_USER_DMA_WRITE. */
  public long dmaWrites() {
    return dmaWrites.get();
  }

  /** Reads and writes that clients have answered with an error, or not as they were asked. */
  public long dmaRefused() {
    return dmaRefused.get();
  }
}
