package dev.virtiolab.net.netty;

import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** Where one end of a stream listens. Its text is that of {@code --backend}. */
public sealed interface StreamAddress {

  /** As Java takes it; looked up anew each time. */
  SocketAddress toSocketAddress();

  /**
   * A TCP port.
   *
   * @param host name or address, an IPv6 address without its brackets
   * @param port from 0 to 65535; a server that listens on 0 is given one
   */
  record Tcp(String host, int port) implements StreamAddress {
    @Override
    public InetSocketAddress toSocketAddress() {
      return new InetSocketAddress(host, port);
    }

    @Override
    public String toString() {
      return (host.indexOf(':') < 0 ? host : "[" + host + "]") + ":" + port;
    }
  }

  /**
   * A unix socket.
   *
   * @param path of at most {@value #MAX_PATH_BYTES} bytes
   */
  record Unix(Path path) implements StreamAddress {
    /** What sun_path holds (unix(7)), without the terminator. */
    public static final int MAX_PATH_BYTES = 107;

    /**
     * @throws IllegalArgumentException if the path is longer than the kernel takes
     */
    public Unix {
      int bytes = path.toString().getBytes(StandardCharsets.UTF_8).length;
      if (bytes > MAX_PATH_BYTES) {
        throw new IllegalArgumentException(
            "the path of a unix socket has at most " + MAX_PATH_BYTES + " bytes, not " + bytes);
      }
    }

    @Override
    public UnixDomainSocketAddress toSocketAddress() {
      return UnixDomainSocketAddress.of(path);
    }

    @Override
    public String toString() {
      return "unix:" + path;
    }
  }
}
