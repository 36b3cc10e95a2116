package dev.virtiolab.integration.ebs;

/** An event that notifies when it is signalled. */
final class Event {
  final Level level;
  final Runnable function;

  /** Signalled by itself and not yet run. */
  boolean signalled;

  Event(Level level, Runnable function) {
    this.level = level;
    this.function = function;
  }
}
