package dev.virtiolab.posix;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Map;

/**
 * A unix(7) stream socket that listens at a path. A socket that a process left there which ended
 * without cleaning up is swept first, if it is this user's and nobody listens at it; {@link
 * #close()} removes the file, unless another has taken its place.
 *
 * <p>One thread uses it.
 */
public final class UnixListener implements AutoCloseable {
  private static final int BACKLOG = 16;
  private static final int FILE_TYPE = 0170000;
  private static final int SOCKET = 0140000;

  private final OwnedFd fd;
  private final Path path;
  private final Object identity;

  private UnixListener(OwnedFd fd, Path path, Object identity) {
    this.fd = fd;
    this.path = path;
    this.identity = identity;
  }

  /**
   * Listens.
   *
   * @throws IllegalArgumentException if the path is empty or longer than {@link
   *     DatagramSocket#MAX_PATH_BYTES} bytes
   * @throws PosixException EADDRINUSE where somebody listens, or where there is a file that is no
   *     socket or is somebody else's; ENOENT, EACCES
   */
  public static UnixListener listen(String path) {
    MemorySegment address = UnixAddress.of(path);
    String what = "listen at unix " + path;
    sweepStale(path);
    OwnedFd fd = UnixStream.socket();
    try {
      LibC.check(LibC.bind(fd.number(), address.address(), (int) address.byteSize()), what);
      LibC.check(LibC.listen(fd.number(), BACKLOG), what);
    } catch (PosixException e) {
      fd.close();
      throw e;
    }
    return new UnixListener(fd, Path.of(path), identity(Path.of(path)));
  }

  /** The descriptor, still owned by this object; readable while somebody wants to connect. */
  public int fd() {
    return fd.number();
  }

  /** The next connection; null if there is none now. */
  public UnixStream accept() {
    int number = LibC.accept4(fd.number(), 0, 0, LibC.SOCK_NONBLOCK | LibC.SOCK_CLOEXEC);
    // Whatever the reason, it is the peer's: it is gone already, or there are too many.
    return number < 0 ? null : new UnixStream(new OwnedFd(number));
  }

  /** Stops listening and removes the file; a second call does nothing. */
  @Override
  public void close() {
    if (!fd.isOpen()) {
      return;
    }
    // Before the socket is closed: until then the kernel gives its inode number to no other file.
    if (identity != null && identity.equals(identity(path))) {
      try {
        Files.deleteIfExists(path);
      } catch (IOException e) {
        // In a folder that may not be written any more; whoever listens there next sweeps it.
      }
    }
    fd.close();
  }

  /** Removes a socket of this user at which nobody listens; bind says what else is in the way. */
  private static void sweepStale(String path) {
    Path file = Path.of(path);
    try {
      Map<String, Object> found =
          Files.readAttributes(file, "unix:mode,uid", LinkOption.NOFOLLOW_LINKS);
      boolean isSocket = ((int) found.get("mode") & FILE_TYPE) == SOCKET;
      if (isSocket && (int) found.get("uid") == User.id() && !isHeld(path)) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      // Nothing there, or nothing that can be seen or removed.
    }
  }

  private static boolean isHeld(String path) {
    try (UnixStream _ = UnixStream.connect(path)) {
      return true;
    } catch (PosixException e) {
      // EAGAIN for one: somebody listens whose queue is full.
      return e.errno() != Errno.ECONNREFUSED && e.errno() != Errno.ENOENT;
    }
  }

  /** Device and inode; null where there is nothing. */
  private static Object identity(Path path) {
    try {
      return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
          .fileKey();
    } catch (IOException e) {
      return null;
    }
  }
}
