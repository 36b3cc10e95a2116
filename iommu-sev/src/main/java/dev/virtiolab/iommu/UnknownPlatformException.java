package dev.virtiolab.iommu;

import java.util.List;

/** A user asked for a platform that does not exist. */
public final class UnknownPlatformException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  private final String asked;
  private final transient List<String> known;

  UnknownPlatformException(String asked, List<String> known) {
    super("unknown platform '%s'; known are: %s".formatted(asked, String.join(", ", known)));
    this.asked = asked;
    this.known = List.copyOf(known);
  }

  /** What was asked for. */
  public String asked() {
    return asked;
  }

  /** What could have been. */
  public List<String> known() {
    return known;
  }
}
