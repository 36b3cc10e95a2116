package dev.virtiolab.lab.resource;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * What was opened so far, to be closed in reverse. Not thread-safe.
 *
 * <p>Who makes something of several parts closes it, too, when a part cannot be had.
 */
public final class Opened implements AutoCloseable {
  private final Deque<AutoCloseable> all = new ArrayDeque<>();

  /** Adds what was opened last, and returns it. */
  public <T extends AutoCloseable> T add(T opened) {
    all.push(opened);
    return opened;
  }

  /** After a failure, which is the one that is reported: those of closing are attached. */
  public <E extends RuntimeException> E closeAfter(E failure) {
    try {
      close();
    } catch (RuntimeException e) {
      failure.addSuppressed(e);
    }
    return failure;
  }

  /**
   * Closes everything, whatever fails; the first failure is thrown at the end. A second call does
   * nothing.
   */
  @Override
  public void close() {
    RuntimeException first = null;
    while (!all.isEmpty()) {
      try {
        all.pop().close();
      } catch (Exception e) {
        RuntimeException failure =
            e instanceof RuntimeException known ? known : new IllegalStateException(e);
        if (first == null) {
          first = failure;
        } else {
          first.addSuppressed(failure);
        }
      }
    }
    if (first != null) {
      throw first;
    }
  }
}
