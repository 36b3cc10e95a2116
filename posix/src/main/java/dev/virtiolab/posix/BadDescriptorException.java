package dev.virtiolab.posix;

/** A descriptor that a peer passed is not what it should be. */
public final class BadDescriptorException extends Exception {
  private static final long serialVersionUID = 1L;

  private final int errno;

  /**
   * @param errno what to answer a peer that understands error numbers
   */
  public BadDescriptorException(int errno, String message) {
    super(message);
    this.errno = errno;
  }

  BadDescriptorException(int errno, String message, Throwable cause) {
    super(message, cause);
    this.errno = errno;
  }

  /** What to answer a peer that understands error numbers: EINVAL, EPERM, ENOMEM. */
  public int errno() {
    return errno;
  }
}
