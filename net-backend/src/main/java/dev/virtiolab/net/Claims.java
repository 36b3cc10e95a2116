package dev.virtiolab.net;

/** The order of calls that {@link NetBackend} asks for; a device that breaks it has a bug. */
final class Claims {
  private Claims() {}

  /**
   * @param open length of the claim that is open, or 0
   */
  static void checkClaim(int open, int length, int maxFrame) {
    if (open != 0) {
      throw new IllegalStateException("a claim is open already");
    }
    if (length < 1 || length > maxFrame) {
      throw new IllegalArgumentException("claim of " + length + " bytes, from 1 to " + maxFrame);
    }
  }

  static void checkOpen(int open) {
    if (open == 0) {
      throw new IllegalStateException("no claim is open");
    }
  }

  static void checkPeeked(int length) {
    if (length == 0) {
      throw new IllegalStateException("release without a peeked frame");
    }
  }
}
