package dev.virtiolab.firmware.core;

/**
 * Told when an event's notification function is entered and left, at the level at which it runs. A
 * function that throws is not left. The observer must not call the core.
 */
public interface DispatchObserver {

  /** Listens to nothing. */
  DispatchObserver NONE = new DispatchObserver() {};

  default void entered(CoreEvent event) {}

  default void left(CoreEvent event) {}
}
