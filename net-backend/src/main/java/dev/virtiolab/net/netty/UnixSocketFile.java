package dev.virtiolab.net.netty;

import dev.virtiolab.net.BackendOpenException;
import dev.virtiolab.posix.User;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Map;

/**
 * The file that a listening unix socket has in the file system. The kernel leaves it there when the
 * socket is closed, and nobody can listen under its name until it is removed. Who does that must
 * see to it that it is not somebody else's meanwhile.
 */
final class UnixSocketFile {
  private static final int FILE_TYPE = 0170000;
  private static final int SOCKET = 0140000;

  private final Path path;
  private final Object identity;

  private UnixSocketFile(Path path, Object identity) {
    this.path = path;
    this.identity = identity;
  }

  /** That of a socket just bound to {@code path}. */
  static UnixSocketFile of(Path path) {
    return new UnixSocketFile(path, identity(path));
  }

  /**
   * Removes it, unless there is nothing any more or another. To be called before the socket is
   * closed: until then the kernel gives its inode number to no other file.
   */
  void remove() {
    if (identity != null && identity.equals(identity(path))) {
      try {
        Files.deleteIfExists(path);
      } catch (IOException e) {
        // In a folder that may not be written any more; whoever listens there next will sweep it.
      }
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

  /**
   * Removes a socket of this user on which nobody listens any more.
   *
   * @param wire what is to be opened, for the message
   * @throws BackendOpenException if there is something else, or somebody listens
   */
  static void sweepStale(String wire, Path path) {
    Map<String, Object> found;
    try {
      found = attributes(path);
    } catch (IOException e) {
      return; // nothing there; or nothing that can be seen, which bind will say
    }
    if (((int) found.get("mode") & FILE_TYPE) != SOCKET) {
      throw new BackendOpenException(wire, "there is a file that is no socket", null);
    }
    try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      probe.connect(UnixDomainSocketAddress.of(path));
    } catch (IOException e) {
      if ((int) found.get("uid") == User.id()) {
        delete(wire, path);
        return;
      }
      throw new BackendOpenException(wire, "there is a socket of another user", e);
    }
    throw new BackendOpenException(wire, "somebody listens there already", null);
  }

  private static void delete(String wire, Path path) {
    try {
      Files.deleteIfExists(path);
    } catch (IOException e) {
      throw new BackendOpenException(wire, "cannot remove a socket left there: " + e, e);
    }
  }

  private static Map<String, Object> attributes(Path path) throws IOException {
    return Files.readAttributes(path, "unix:mode,uid", LinkOption.NOFOLLOW_LINKS);
  }
}
