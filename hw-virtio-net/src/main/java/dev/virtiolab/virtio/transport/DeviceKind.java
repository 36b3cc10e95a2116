package dev.virtiolab.virtio.transport;

/**
 * Which interfaces a function has (virtio v1.4, 1.3.1 "Legacy Interface: Terminology"). QEMU's
 * options for the same are {@code disable-legacy} and {@code disable-modern}.
 */
public enum DeviceKind {
  /** A non-transitional device: no legacy interface. */
  MODERN("modern"),
  /** A transitional device: both, for drivers that came before version 1 and for those after. */
  TRANSITIONAL("transitional"),
  /** A legacy device: no virtio capabilities and no BAR 4. */
  LEGACY("legacy");

  private final String word;

  DeviceKind(String word) {
    this.word = word;
  }

  /** As on a command line. */
  public String word() {
    return word;
  }

  /** Whether there are the structures that virtio capabilities lead to. */
  public boolean isModern() {
    return this != LEGACY;
  }

  /** Whether there is the legacy structure, in BAR 0. */
  public boolean isLegacy() {
    return this != MODERN;
  }
}
