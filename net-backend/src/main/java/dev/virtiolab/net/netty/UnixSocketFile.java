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
import java.util.Map;

/**
 * The file that a listening unix socket has in the file system. Netty removes it when it closes the
 * socket; the kernel leaves it there when the process is killed, and nobody can listen under its
 * name until it is removed.
 */
final class UnixSocketFile {
  private static final int FILE_TYPE = 0170000;
  private static final int SOCKET = 0140000;

  private UnixSocketFile() {}

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
