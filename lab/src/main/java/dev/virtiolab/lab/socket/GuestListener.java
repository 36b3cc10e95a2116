package dev.virtiolab.lab.socket;

import dev.virtiolab.firmware.stack.tcp.TcpConnection;
import dev.virtiolab.firmware.stack.tcp.TcpListener;
import java.io.Closeable;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.concurrent.TimeoutException;

/** A port on which the guest listens. Any thread may call. */
public final class GuestListener implements Closeable {
  private final GuestDoor guest;
  private final TcpListener listener;
  private final int port;

  GuestListener(GuestDoor guest, TcpListener listener) {
    this.guest = guest;
    this.listener = listener;
    port = guest.ask(firmware -> listener.port());
  }

  public int port() {
    return port;
  }

  /**
   * Waits for somebody to connect.
   *
   * @throws SocketTimeoutException if nobody has within {@code deadline}
   * @throws IllegalStateException if the guest has ended
   */
  public GuestSocket accept(Duration deadline) throws SocketTimeoutException {
    try {
      TcpConnection connection = guest.await(firmware -> listener.accept(), deadline);
      return new GuestSocket(guest, connection);
    } catch (TimeoutException e) {
      throw new SocketTimeoutException(
          "nobody has connected to port %d within %d ms".formatted(port, deadline.toMillis()));
    }
  }

  /** Listens no more; who has connected and is not accepted is reset. */
  @Override
  public void close() {
    guest.ask(
        firmware -> {
          listener.close();
          return listener;
        });
  }
}
