package dev.virtiolab.iommu;

import java.util.Arrays;
import java.util.List;

/** The platforms that can be had, by the names they have on the command line. */
public enum PlatformKind {
  /** Identity and coherent: no IOMMU, no encryption. */
  PC("pc"),
  /** A DMA remapping unit that denies what is not mapped, device by device. */
  VTD("vtd"),
  /** An offset between CPU and bus addresses, and a CPU cache that bus masters do not see. */
  NONCOHERENT("noncoherent"),
  /** AMD Secure Encrypted Virtualization: memory is ciphertext to all but the guest's CPU. */
  SEV("sev");

  private final String label;

  PlatformKind(String label) {
    this.label = label;
  }

  /** As on the command line, and as {@link Platform#name()}. */
  public String label() {
    return label;
  }

  /** Every name, in the order in which they are shown. */
  public static List<String> labels() {
    return Arrays.stream(values()).map(PlatformKind::label).toList();
  }

  /**
   * The platform of that name.
   *
   * @throws UnknownPlatformException if there is none; it names those that there are
   */
  public static PlatformKind parse(String label) {
    for (PlatformKind kind : values()) {
      if (kind.label.equals(label)) {
        return kind;
      }
    }
    throw new UnknownPlatformException(label, labels());
  }
}
