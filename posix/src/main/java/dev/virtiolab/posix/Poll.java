package dev.virtiolab.posix;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/**
 * Waits for any of a few descriptors to become readable, or writable: ppoll(2). Nothing is
 * allocated per call.
 *
 * <p>A descriptor that fails or hangs up is reported once by {@link #failed} and then left out, so
 * that a loop around {@link #await} does not spin on it. One thread uses an instance.
 */
public final class Poll implements AutoCloseable {
  /** Waits without end. */
  public static final long FOREVER = -1;

  // struct pollfd { int fd; short events; short revents; }
  private static final int POLLFD_BYTES = 8;
  private static final int FD = 0;
  private static final int EVENTS = 4;
  private static final int REVENTS = 6;

  // struct timespec { long tv_sec; long tv_nsec; }
  private static final int TIMESPEC_BYTES = 16;
  private static final int TV_SEC = 0;
  private static final int TV_NSEC = 8;

  private static final short POLLIN = 0x01;
  private static final short POLLOUT = 0x04;
  private static final short POLLERR = 0x08;
  private static final short POLLHUP = 0x10;
  private static final short POLLNVAL = 0x20;

  private static final long NANOS_PER_SECOND = 1_000_000_000;

  private final Arena arena = Arena.ofShared();
  private final MemorySegment fds;
  private final MemorySegment timeout;
  private final int capacity;

  /** The descriptors, also where they are left out for now; -1 once they have failed. */
  private final int[] watched;

  private int count;

  /**
   * @param capacity how many descriptors there may be, at least 1
   */
  public Poll(int capacity) {
    if (capacity < 1) {
      throw new IllegalArgumentException("capacity must be at least 1, got " + capacity);
    }
    this.capacity = capacity;
    watched = new int[capacity];
    fds = arena.allocate((long) capacity * POLLFD_BYTES, Long.BYTES);
    timeout = arena.allocate(TIMESPEC_BYTES, Long.BYTES);
  }

  /**
   * Watches whether {@code fd} can be read from now on; a negative one is never ready.
   *
   * @return its index
   * @throws IllegalStateException if there is no room for one more
   */
  public int add(int fd) {
    return add(fd, POLLIN);
  }

  /** Likewise, whether it can be written. */
  public int addWritable(int fd) {
    return add(fd, POLLOUT);
  }

  private int add(int fd, short events) {
    if (count == capacity) {
      throw new IllegalStateException("room for " + capacity + " descriptors only");
    }
    long at = at(count);
    watched[count] = fd;
    fds.set(ValueLayout.JAVA_INT, at + FD, fd);
    fds.set(ValueLayout.JAVA_SHORT, at + EVENTS, events);
    fds.set(ValueLayout.JAVA_SHORT, at + REVENTS, (short) 0);
    return count++;
  }

  /** Leaves descriptor {@code index} out from the next {@link #await} on, or does so no more. */
  public void watch(int index, boolean on) {
    fds.set(
        ValueLayout.JAVA_INT, at(Objects.checkIndex(index, count)) + FD, on ? watched[index] : -1);
  }

  /**
   * Waits until a descriptor is ready or the time has passed. A signal does not end the wait.
   *
   * @param timeoutNanos 0 to look only, {@link #FOREVER} to wait without end
   * @return how many descriptors are ready or failed; 0 after the timeout
   */
  public int await(long timeoutNanos) {
    dropFailed();
    boolean forever = timeoutNanos < 0;
    long start = forever || timeoutNanos == 0 ? 0 : System.nanoTime();
    long left = timeoutNanos;
    while (true) {
      if (!forever) {
        timeout.set(ValueLayout.JAVA_LONG, TV_SEC, left / NANOS_PER_SECOND);
        timeout.set(ValueLayout.JAVA_LONG, TV_NSEC, left % NANOS_PER_SECOND);
      }
      int ready = LibC.ppoll(fds.address(), count, forever ? 0 : timeout.address(), 0);
      if (ready >= 0) {
        return ready;
      }
      int errno = LibC.errno();
      if (errno != Errno.EINTR) {
        throw new PosixException("ppoll", errno);
      }
      if (!forever && timeoutNanos != 0) {
        left = Math.max(0, timeoutNanos - (System.nanoTime() - start));
      }
    }
  }

  /** Whether the last {@link #await} found descriptor {@code index} readable. */
  public boolean readable(int index) {
    return (revents(index) & POLLIN) != 0;
  }

  /** Whether the last {@link #await} found descriptor {@code index} writable. */
  public boolean writable(int index) {
    return (revents(index) & POLLOUT) != 0;
  }

  /** Whether the last {@link #await} found that descriptor {@code index} is of no more use. */
  public boolean failed(int index) {
    return (revents(index) & (POLLERR | POLLHUP | POLLNVAL)) != 0;
  }

  /** Frees the native memory; the descriptors are their owners'. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }

  private void dropFailed() {
    for (int i = 0; i < count; i++) {
      if (failed(i)) {
        watched[i] = -1;
        fds.set(ValueLayout.JAVA_INT, at(i) + FD, -1);
      }
    }
  }

  private short revents(int index) {
    if (index < 0 || index >= count) {
      throw new IndexOutOfBoundsException(index);
    }
    return fds.get(ValueLayout.JAVA_SHORT, at(index) + REVENTS);
  }

  private static long at(int index) {
    return (long) index * POLLFD_BYTES;
  }
}
