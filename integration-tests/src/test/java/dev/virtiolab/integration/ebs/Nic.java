package dev.virtiolab.integration.ebs;

/** A device. */
final class Nic {
  /** Whether its queues hold addresses that were never mapped. */
  final boolean holdsUnmapped;

  /** DRIVER_OK is set and its queues are enabled. */
  boolean running = true;

  boolean busMaster = true;

  Nic(boolean holdsUnmapped) {
    this.holdsUnmapped = holdsUnmapped;
  }

  boolean isLive() {
    return running && busMaster;
  }
}
