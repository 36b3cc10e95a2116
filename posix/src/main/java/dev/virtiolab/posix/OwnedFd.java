package dev.virtiolab.posix;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * A file descriptor with one owner, closed exactly once.
 *
 * <p>Closing while another thread is inside a call on the same descriptor is the owner's mistake:
 * the kernel may give the number to somebody else at once. Stop the other thread first.
 */
public final class OwnedFd implements AutoCloseable {
  private static final VarHandle NUMBER;

  static {
    try {
      NUMBER = MethodHandles.lookup().findVarHandle(OwnedFd.class, "number", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private int number;

  /** Takes over {@code number}, an open descriptor. */
  OwnedFd(int number) {
    this.number = number;
  }

  /**
   * The descriptor's number.
   *
   * @throws IllegalStateException once closed
   */
  public int number() {
    int now = (int) NUMBER.getOpaque(this);
    if (now < 0) {
      throw new IllegalStateException("file descriptor is closed");
    }
    return now;
  }

  public boolean isOpen() {
    return (int) NUMBER.getOpaque(this) >= 0;
  }

  /** Closes the descriptor; a second call does nothing. */
  @Override
  public void close() {
    int last = (int) NUMBER.getAndSet(this, -1);
    if (last >= 0) {
      // On Linux the number is free again whatever close(2) returns: never repeated on EINTR.
      LibC.close(last);
    }
  }

  @Override
  public String toString() {
    return "fd=" + (int) NUMBER.getOpaque(this);
  }
}
