package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.virtio.transport.DeviceKind;

/** What --virtio says: which interfaces the NIC has. */
final class VirtioWord {
  static final String LABEL = "modern|transitional|legacy";
  static final String DEFAULT = "modern";

  static final String DESCRIPTION =
      "which interfaces the NIC has: that of virtio 1 alone, or for drivers that came before it I/O"
          + " ports in BAR 0 as well, or these alone. QEMU's disable-legacy and disable-modern"
          + " (default: ${DEFAULT-VALUE})";

  private VirtioWord() {}

  /**
   * @throws LabException if it is none of those
   */
  static DeviceKind parse(String word) {
    for (DeviceKind kind : DeviceKind.values()) {
      if (kind.word().equals(word)) {
        return kind;
      }
    }
    throw LabException.usage("--virtio is modern, transitional or legacy, not " + word);
  }
}
