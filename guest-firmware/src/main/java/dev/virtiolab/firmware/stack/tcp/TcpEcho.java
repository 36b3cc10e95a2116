package dev.virtiolab.firmware.stack.tcp;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The echo service of RFC 862 over TCP: what comes on a connection goes back on it, until the peer
 * closes. Polled by the firmware's loop; a peer that does not read stops being read from.
 */
public final class TcpEcho implements Runnable {
  /** Who comes while there are so many waits. */
  static final int MOST = 16;

  private static final int CHUNK_BYTES = 16 << 10;

  private final TcpListener listener;
  private final List<TcpConnection> connections = new ArrayList<>();
  private final MemorySegment chunk = MemorySegment.ofArray(new byte[CHUNK_BYTES]);

  /**
   * @param port from 1 to 65535
   * @throws IllegalArgumentException if it is out of range
   * @throws IllegalStateException if somebody listens there already
   */
  public TcpEcho(Tcp tcp, int port) {
    listener = tcp.listen(port, MOST);
  }

  /** Sends back what has come since the last time. */
  @Override
  public void run() {
    if (connections.size() < MOST) {
      TcpConnection next = listener.accept();
      if (next != null) {
        connections.add(next);
      }
    }
    for (int i = connections.size() - 1; i >= 0; i--) {
      TcpConnection connection = connections.get(i);
      echo(connection);
      if (connection.isDrained()) {
        connection.close();
        connections.remove(i);
      }
    }
  }

  private void echo(TcpConnection connection) {
    int room = Math.min(connection.sendable(), CHUNK_BYTES);
    int come = room == 0 ? 0 : connection.receive(chunk, 0, room);
    if (come > 0) {
      connection.send(chunk, 0, come);
    }
  }
}
