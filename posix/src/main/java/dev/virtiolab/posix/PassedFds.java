package dev.virtiolab.posix;

/**
 * Descriptors that a peer passed, up to a number; owned here until somebody {@linkplain #take
 * takes} them, and closed with this object or by {@link #clear()}. What comes beyond the number is
 * closed at once and {@linkplain #overflowed() noted}.
 *
 * <p>One thread uses it.
 */
public final class PassedFds implements AutoCloseable {
  private final OwnedFd[] fds;
  private int count;
  private boolean overflowed;

  /**
   * @param capacity how many are kept at most, from 0 to {@link UnixStream#MAX_FDS}
   */
  public PassedFds(int capacity) {
    if (capacity < 0 || capacity > UnixStream.MAX_FDS) {
      throw new IllegalArgumentException("capacity " + capacity);
    }
    fds = new OwnedFd[capacity];
  }

  /** How many there are, those that were taken included. */
  public int count() {
    return count;
  }

  /** Whether there were more than fit, or than the kernel could hand over. */
  public boolean overflowed() {
    return overflowed;
  }

  /**
   * Hands over descriptor {@code index}, which the caller closes from now on.
   *
   * @throws IndexOutOfBoundsException if there is none
   * @throws IllegalStateException if it was taken before
   */
  public OwnedFd take(int index) {
    if (index < 0 || index >= count) {
      throw new IndexOutOfBoundsException(index);
    }
    OwnedFd taken = fds[index];
    if (taken == null) {
      throw new IllegalStateException("descriptor " + index + " was taken before");
    }
    fds[index] = null;
    return taken;
  }

  /** Closes what nobody took, and begins anew. */
  public void clear() {
    for (int i = 0; i < count; i++) {
      if (fds[i] != null) {
        fds[i].close();
        fds[i] = null;
      }
    }
    count = 0;
    overflowed = false;
  }

  @Override
  public void close() {
    clear();
  }

  void add(int number) {
    OwnedFd fd = new OwnedFd(number);
    if (count == fds.length) {
      fd.close();
      overflowed = true;
    } else {
      fds[count++] = fd;
    }
  }

  void noteOverflow() {
    overflowed = true;
  }
}
