package dev.virtiolab.lab.socket;

import dev.virtiolab.firmware.stack.tcp.TcpConnection;

/** What became of a connection, in words. */
final class SocketErrors {
  private SocketErrors() {}

  static String why(TcpConnection connection) {
    return connection
        .error()
        .map(
            error ->
                switch (error) {
                  case REFUSED -> "connection refused";
                  case RESET -> "connection reset by the peer";
                  case TIMED_OUT -> "the peer does not answer";
                  case UNREACHABLE -> "the peer cannot be reached";
                  case ABORTED -> "connection aborted by the guest";
                })
        .orElse("connection closed");
  }
}
