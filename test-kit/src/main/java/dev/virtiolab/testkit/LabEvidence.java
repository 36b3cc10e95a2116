package dev.virtiolab.testkit;

/**
 * Rides on the failure of a test, as a suppressed exception: where the captures are, the seed, and
 * what befell the frames. It has no stack trace, since it was thrown nowhere.
 */
public final class LabEvidence extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Who says it: there may be several in one test. */
  private final transient LabExtension teller;

  LabEvidence(String text, LabExtension teller) {
    super(text, null, false, false);
    this.teller = teller;
  }

  boolean isOf(LabExtension extension) {
    return teller == extension;
  }

  /** The text alone, for a stack trace. */
  @Override
  public String toString() {
    return getMessage();
  }
}
