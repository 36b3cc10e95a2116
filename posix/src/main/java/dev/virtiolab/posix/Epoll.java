package dev.virtiolab.posix;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A set of descriptors that come and go, behind one descriptor that poll(2) can wait for: epoll(7),
 * edge-triggered. A descriptor is reported once each time that something arrives at it, and is
 * never read: so it does not matter whose it is and whether reading it would block.
 *
 * <p>One thread at a time uses it; nothing is allocated by {@link #take}.
 */
public final class Epoll implements AutoCloseable {
  private static final int MAX_EVENTS = 64;

  // struct epoll_event { uint32_t events; uint64_t data; }, packed on x86-64 only
  private static final int DATA = System.getProperty("os.arch").equals("amd64") ? 4 : 8;
  private static final int EVENT_BYTES = DATA + Long.BYTES;

  private static final ValueLayout.OfLong DATA_LAYOUT = ValueLayout.JAVA_LONG_UNALIGNED;

  private final OwnedFd fd;
  private final MemorySegment events =
      Arena.ofAuto().allocate((long) MAX_EVENTS * EVENT_BYTES, Long.BYTES);

  private Epoll(OwnedFd fd) {
    this.fd = fd;
  }

  /**
   * An empty set.
   *
   * @throws PosixException if the kernel refuses
   */
  public static Epoll create() {
    return new Epoll(
        new OwnedFd(LibC.check(LibC.epoll_create1(LibC.EPOLL_CLOEXEC), "epoll_create1")));
  }

  /** The set's own descriptor; readable while {@link #take} has something to say. */
  public int fd() {
    return fd.number();
  }

  /**
   * Puts a descriptor in; if something is there to be read already, that is reported.
   *
   * @param tag what it is reported as
   * @throws PosixException if it is in already, or nothing can be waited for at it
   */
  public void addEdge(int watched, int tag) {
    events.set(ValueLayout.JAVA_INT, 0, LibC.EPOLLIN | LibC.EPOLLET);
    events.set(DATA_LAYOUT, DATA, tag);
    LibC.check(
        LibC.epoll_ctl(fd.number(), LibC.EPOLL_CTL_ADD, watched, events.address()),
        "epoll_ctl add");
  }

  /**
   * Takes a descriptor out, before it is closed: as long as anybody has it open the kernel would
   * keep it in the set.
   */
  public void remove(int watched) {
    LibC.check(LibC.epoll_ctl(fd.number(), LibC.EPOLL_CTL_DEL, watched, 0), "epoll_ctl delete");
  }

  /**
   * Where something arrived since the last time.
   *
   * @param tags filled in from its start
   * @return how many
   */
  public int take(int[] tags) {
    int most = Math.min(tags.length, MAX_EVENTS);
    int count = LibC.epoll_wait(fd.number(), events.address(), most, 0);
    // EINTR: a signal came first; what is there is there the next time.
    for (int i = 0; i < count; i++) {
      tags[i] = (int) events.get(DATA_LAYOUT, (long) i * EVENT_BYTES + DATA);
    }
    return Math.max(count, 0);
  }

  @Override
  public void close() {
    fd.close();
  }
}
