package dev.virtiolab.posix;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A wake-up that poll(2) can wait for: eventfd(2), non-blocking.
 *
 * <p>Any thread may {@link #signal()}; one thread drains. Close it when nobody signals any more.
 */
public final class EventFd implements AutoCloseable {
  private final OwnedFd fd;

  /** Where {@link #drain()} reads the counter to; never looked at. */
  private final MemorySegment counter = Arena.ofAuto().allocate(Long.BYTES, Long.BYTES);

  private EventFd(OwnedFd fd) {
    this.fd = fd;
  }

  /**
   * Makes one that is not signalled.
   *
   * @throws PosixException if the kernel refuses
   */
  public static EventFd create() {
    int fd = LibC.eventfd(0, LibC.EFD_NONBLOCK | LibC.EFD_CLOEXEC);
    return new EventFd(new OwnedFd(LibC.check(fd, "eventfd")));
  }

  /**
   * Takes over one that a peer passed, to signal it or to be signalled. It is made non-blocking,
   * which its other owners notice; should one of them undo that, it can block who signals, until
   * somebody {@linkplain #relieve relieves} it.
   *
   * @param fd owned by what is returned; closed if this throws
   * @throws BadDescriptorException EINVAL if it is no eventfd
   */
  public static EventFd adopt(OwnedFd fd) throws BadDescriptorException {
    try {
      Path kind = Files.readSymbolicLink(Path.of("/proc/self/fd/" + fd.number()));
      if (kind.toString().equals("anon_inode:[eventfd]")
          && LibC.fcntl(fd.number(), LibC.F_SETFL, LibC.O_RDWR | LibC.O_NONBLOCK) == 0) {
        return new EventFd(fd);
      }
    } catch (IOException e) {
      // No link, no eventfd.
    }
    fd.close();
    throw new BadDescriptorException(Errno.EINVAL, "the descriptor is no eventfd");
  }

  /** The descriptor, still owned by this object; readable while signalled. */
  public int fd() {
    return fd.number();
  }

  /** Makes the descriptor readable until the next {@link #drain()}. */
  public void signal() {
    if (LibC.eventfd_write(fd.number(), 1) < 0) {
      int errno = LibC.errno();
      // EAGAIN: the counter is at its limit, so it is signalled already.
      if (errno != Errno.EAGAIN) {
        throw new PosixException("write eventfd", errno);
      }
    }
  }

  /**
   * Makes the descriptor unreadable.
   *
   * @return whether it had been signalled
   */
  public boolean drain() {
    if (LibC.read(fd.number(), counter.address(), Long.BYTES) == Long.BYTES) {
      return true;
    }
    int errno = LibC.errno();
    if (errno == Errno.EAGAIN) {
      return false;
    }
    throw new PosixException("read eventfd", errno);
  }

  /**
   * Empties the counter if it is at its limit, so that who waits in {@link #signal()} goes on. Does
   * not block, whatever another owner did to the descriptor. Any thread, while nobody closes it.
   */
  public void relieve() {
    try (Poll room = new Poll(1);
        Arena arena = Arena.ofConfined()) {
      int index = room.addWritable(fd.number());
      room.await(0);
      if (!room.writable(index)) {
        readNow(arena);
      }
    }
  }

  /**
   * As {@link #drain()}, for one that a peer shares: it does not block, whatever another owner did
   * to the descriptor.
   */
  public boolean take() {
    try (Arena arena = Arena.ofConfined()) {
      return readNow(arena);
    }
  }

  private boolean readNow(Arena arena) {
    // struct iovec { void *base; size_t length; }
    MemorySegment vector = arena.allocate(ValueLayout.JAVA_LONG, 2);
    vector.setAtIndex(ValueLayout.JAVA_LONG, 0, arena.allocate(ValueLayout.JAVA_LONG).address());
    vector.setAtIndex(ValueLayout.JAVA_LONG, 1, Long.BYTES);
    return LibC.preadv2(fd.number(), vector.address(), 1, -1, LibC.RWF_NOWAIT) == Long.BYTES;
  }

  @Override
  public void close() {
    fd.close();
  }
}
