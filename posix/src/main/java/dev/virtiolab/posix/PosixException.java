package dev.virtiolab.posix;

/**
 * A system call that failed. The message reads {@code open /dev/net/tun: Operation not permitted
 * (EPERM)}.
 */
public final class PosixException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final String call;
  private final int errno;

  /**
   * @param call the call and what it was about, such as {@code open /dev/net/tun}
   * @param errno of {@link Errno}
   */
  public PosixException(String call, int errno) {
    super(call + ": " + Errno.text(errno) + " (" + Errno.name(errno) + ")");
    this.call = call;
    this.errno = errno;
  }

  /** The call and what it was about. */
  public String call() {
    return call;
  }

  /** The error number, of {@link Errno}. */
  public int errno() {
    return errno;
  }
}
