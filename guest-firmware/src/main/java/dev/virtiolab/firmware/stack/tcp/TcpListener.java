package dev.virtiolab.firmware.stack.tcp;

import java.util.ArrayDeque;
import java.util.Queue;

/**
 * A port that is open to connections. As many as its backlog may be in the handshake or wait to be
 * accepted; the one that has been in the handshake for longest makes way for a new one, so that a
 * flood of SYNs without owners keeps nobody out who answers soon.
 */
public final class TcpListener implements AutoCloseable {
  private final Tcp tcp;
  private final int port;
  private final int backlog;
  private final Queue<TcpConnection> established = new ArrayDeque<>();
  private final Queue<TcpConnection> halfOpen = new ArrayDeque<>();

  TcpListener(Tcp tcp, int port, int backlog) {
    this.tcp = tcp;
    this.port = port;
    this.backlog = backlog;
  }

  public int port() {
    return port;
  }

  /** The connection that has waited longest; null if none waits. */
  public TcpConnection accept() {
    return established.poll();
  }

  /** Takes no more connections; those that nobody has accepted are reset. */
  @Override
  public void close() {
    tcp.forget(this);
    for (TcpConnection waiting = established.poll();
        waiting != null;
        waiting = established.poll()) {
      waiting.abort();
    }
    for (TcpConnection half = halfOpen.peek(); half != null; half = halfOpen.peek()) {
      half.abort(); // which takes it out
    }
  }

  /** Makes room for one more; false if nobody can make way. */
  boolean makeRoom() {
    if (established.size() + halfOpen.size() < backlog) {
      return true;
    }
    TcpConnection oldest = halfOpen.peek();
    if (oldest == null) {
      return false;
    }
    oldest.makeWay(); // which takes it out
    return true;
  }

  void opened(TcpConnection connection) {
    halfOpen.add(connection);
  }

  void established(TcpConnection connection) {
    halfOpen.remove(connection);
    established.add(connection);
  }

  /** The connection is no more. One that waits to be accepted stays: it may hold data. */
  void forget(TcpConnection connection) {
    halfOpen.remove(connection);
  }
}
