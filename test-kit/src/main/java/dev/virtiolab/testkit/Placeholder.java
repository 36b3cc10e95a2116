package dev.virtiolab.testkit;

/** Keeps the module compilable until its first class. */
final class Placeholder {
  private Placeholder() {}
}
