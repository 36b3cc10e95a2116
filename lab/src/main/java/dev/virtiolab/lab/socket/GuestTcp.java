package dev.virtiolab.lab.socket;

import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.tcp.TcpConnection;
import dev.virtiolab.firmware.stack.tcp.TcpListener;
import dev.virtiolab.firmware.stack.tcp.TcpState;
import java.io.IOException;
import java.net.BindException;
import java.net.ConnectException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.concurrent.TimeoutException;

/** The guest's TCP, for programs outside its thread. Any thread may call. */
public final class GuestTcp {
  private static final int BACKLOG = 16;

  private final GuestDoor guest;

  public GuestTcp(GuestDoor guest) {
    this.guest = guest;
  }

  /**
   * Connects the guest to a server.
   *
   * @param port from 1 to 65535
   * @throws ConnectException if the server refuses, or cannot be reached
   * @throws SocketTimeoutException if it has not answered within {@code deadline}
   * @throws IllegalArgumentException if nobody can be there
   * @throws IllegalStateException if the guest has ended
   */
  public GuestSocket connect(Ipv4Address address, int port, Duration deadline) throws IOException {
    TcpConnection connection = guest.ask(firmware -> open(firmware, address, port));
    if (connection == null) {
      throw new ConnectException("the guest has no connection left");
    }
    try {
      guest.await(
          firmware ->
              connection.isEstablished() || connection.state() == TcpState.CLOSED
                  ? connection
                  : null,
          deadline);
    } catch (TimeoutException e) {
      abort(connection);
      throw new SocketTimeoutException(
          "%s:%d has not answered within %d ms".formatted(address, port, deadline.toMillis()));
    } catch (RuntimeException e) {
      abort(connection);
      throw e;
    }
    if (!guest.ask(firmware -> connection.isEstablished())) {
      String why = guest.ask(firmware -> SocketErrors.why(connection));
      throw new ConnectException("%s:%d: %s".formatted(address, port, why));
    }
    return new GuestSocket(guest, connection);
  }

  /** Null if the guest has no room for one more. */
  private static TcpConnection open(Firmware firmware, Ipv4Address address, int port) {
    try {
      return firmware.tcp().connect(address, port);
    } catch (IllegalStateException e) {
      return null;
    }
  }

  private void abort(TcpConnection connection) {
    guest.ask(
        firmware -> {
          connection.abort();
          return connection;
        });
  }

  /**
   * Has the guest listen.
   *
   * @param port from 1 to 65535; 0: one that is free
   * @throws BindException if somebody listens there already
   * @throws IllegalStateException if the guest has ended
   */
  public GuestListener listen(int port) throws IOException {
    Object made =
        guest.ask(
            firmware -> {
              try {
                return firmware.tcp().listen(port, BACKLOG);
              } catch (IllegalStateException e) {
                return e.getMessage();
              }
            });
    if (made instanceof TcpListener listener) {
      return new GuestListener(guest, listener);
    }
    throw new BindException((String) made);
  }
}
