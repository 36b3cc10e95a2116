package dev.virtiolab.integration.ebs;

import java.util.Locale;

/** What stands between a device and memory. */
enum Board {
  PC,
  VTD,
  NONCOHERENT,
  SEV;

  static Board named(String name) {
    return valueOf(name.toUpperCase(Locale.ROOT));
  }

  /** Whether the board confines devices to what is mapped for them. */
  boolean confines() {
    return this == VTD || this == SEV;
  }

  /** Whether an outsider sees the pages of an open mapping as plaintext, and all others not. */
  boolean encrypts() {
    return this == SEV;
  }

  /**
   * Whether bytes that a device writes to a small BusMasterWrite buffer come to the guest only by
   * Unmap: they land in a bounce buffer, since the client's is not made of whole pages ({@code
   * sev}, {@code vtd}) or whole cache lines ({@code noncoherent}).
   */
  boolean bouncesSmallWrites() {
    return this != PC;
  }
}
