package dev.virtiolab.pci.function;

/**
 * The registers behind a BAR.
 *
 * <p>{@code width} is 1, 2, 4 or 8, and {@code [offset, offset + width)} lies within the BAR; the
 * access need not be aligned. Values are unsigned, in the low bytes. A handler never throws: what
 * it makes of an odd access is its own, defined, answer. It is called on the thread that accesses,
 * without the function's lock.
 */
public interface BarHandler {

  long read(long offset, int width);

  void write(long offset, int width, long value);

  /**
   * Whether an access there may wait for the function's lock: for who has to be answered by a
   * device that is in the midst of something.
   */
  default boolean mayWait(long offset, int width, boolean write) {
    return true;
  }
}
