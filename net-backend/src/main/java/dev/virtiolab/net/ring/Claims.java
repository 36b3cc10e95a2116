package dev.virtiolab.net.ring;

/** The order of calls that {@code NetBackend} asks for; a device that breaks it has a bug. */
public final class Claims {
  private Claims() {}

  /**
   * A claim may be made.
   *
   * @param open length of the claim that is open, or 0
   */
  public static void checkClaim(int open, int length, int maxFrame) {
    if (open != 0) {
      throw new IllegalStateException("a claim is open already");
    }
    if (length < 1 || length > maxFrame) {
      throw new IllegalArgumentException("claim of " + length + " bytes, from 1 to " + maxFrame);
    }
  }

  /** A claim is open. */
  public static void checkOpen(int open) {
    if (open == 0) {
      throw new IllegalStateException("no claim is open");
    }
  }

  /** A frame was peeked. */
  public static void checkPeeked(int length) {
    if (length == 0) {
      throw new IllegalStateException("release without a peeked frame");
    }
  }
}
