package dev.virtiolab.virtio.net;

/** Whether the wire is connected: what the configuration shows, and what decides about a frame. */
final class Link {
  /** Also read by a driver that polls the configuration without the lock. */
  private volatile boolean up;

  Link(boolean up) {
    this.up = up;
  }

  boolean up() {
    return up;
  }

  void up(boolean now) {
    up = now;
  }
}
