package dev.virtiolab.testkit;

/** What a test gets that is interrupted while it waits, such as by {@code @Timeout}. */
final class Interrupts {

  private Interrupts() {}

  static AssertionError asAssertion(String what, InterruptedException cause) {
    Thread.currentThread().interrupt();
    return new AssertionError("interrupted while waiting for " + what, cause);
  }
}
