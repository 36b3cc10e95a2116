package dev.virtiolab.net.fault;

import java.lang.foreign.MemorySegment;

/** Is shown every frame that something befell, when it does. */
@FunctionalInterface
public interface FaultObserver {
  /** Looks away. */
  FaultObserver NONE = (direction, number, fault, frame, at, length) -> {};

  /**
   * Something befell a frame. On the device's thread, which waits: be quick, and keep nothing of
   * the memory.
   *
   * @param number of the frame in its direction, from 1
   * @param frame what holds it, {@code length} bytes from {@code at} on; not to be written
   */
  void befell(
      Direction direction, long number, Fault fault, MemorySegment frame, long at, int length);
}
