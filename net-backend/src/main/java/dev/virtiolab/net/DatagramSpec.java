package dev.virtiolab.net;

import dev.virtiolab.posix.DatagramSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/**
 * Reads what follows {@code dgram:}: where to be bound, and who the peer is.
 *
 * <pre>
 *   HOST:PORT,HOST:PORT        UDP over IPv4
 *   unix:PATH,unix:PATH        unix sockets
 * </pre>
 */
final class DatagramSpec {
  private static final String UNIX = "unix:";
  private static final int MAX_PORT = 65_535;

  private final String text;

  private DatagramSpec(String text) {
    this.text = text;
  }

  /**
   * @param text the whole, for the message
   * @throws BackendSpecException if it cannot be read
   */
  static BackendSpec.Datagram parse(String text, String argument) {
    return new DatagramSpec(text).read(argument);
  }

  private BackendSpec.Datagram read(String argument) {
    String[] ends = argument.split(",", -1);
    if (ends.length != 2) {
      throw refuse("it needs its own address and the peer's, with one comma between them");
    }
    boolean unix = ends[0].startsWith(UNIX);
    if (unix != ends[1].startsWith(UNIX)) {
      throw refuse("one end is a unix socket, and the other is not");
    }
    BackendSpec.Datagram datagram =
        unix
            ? new BackendSpec.UnixDatagram(path(ends[0]), path(ends[1]))
            : new BackendSpec.UdpDatagram(udp(ends[0]), udp(ends[1]));
    if (ends[0].equals(ends[1])) {
      throw refuse("its own address is the peer's");
    }
    return datagram;
  }

  private Path path(String end) {
    String path = end.substring(UNIX.length());
    int bytes = path.getBytes(StandardCharsets.UTF_8).length;
    if (bytes == 0 || bytes > DatagramSocket.MAX_PATH_BYTES) {
      throw refuse("the path of a unix socket has from 1 to 107 bytes, not " + bytes);
    }
    try {
      return Path.of(path);
    } catch (InvalidPathException e) {
      throw refuse("no path: " + e.getMessage());
    }
  }

  private BackendSpec.UdpDatagram.Port udp(String end) {
    int colon = end.lastIndexOf(':');
    String host = colon < 0 ? "" : end.substring(0, colon);
    if (host.isEmpty()) {
      throw refuse("an address is HOST:PORT or unix:PATH, not '" + end + "'");
    }
    if (host.indexOf(':') >= 0) {
      throw refuse("it speaks IPv4, as QEMU's dgram does, not '" + host + "'");
    }
    String port = end.substring(colon + 1);
    // Five digits at most, and no sign. Nobody could tell a peer of a port that chance has chosen.
    if (!port.matches("[0-9]{1,5}")
        || Integer.parseInt(port) < 1
        || Integer.parseInt(port) > MAX_PORT) {
      throw refuse("a port is from 1 to " + MAX_PORT + ", not '" + port + "'");
    }
    return new BackendSpec.UdpDatagram.Port(host, Integer.parseInt(port));
  }

  private BackendSpecException refuse(String reason) {
    return new BackendSpecException(text, reason);
  }
}
