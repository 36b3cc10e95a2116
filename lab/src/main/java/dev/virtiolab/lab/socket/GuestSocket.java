package dev.virtiolab.lab.socket;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.tcp.TcpConnection;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.TimeoutException;

/**
 * A connection of the guest's, as two streams. One thread may read while another writes; every call
 * is done on the guest's thread, between two of its turns, and waits for the timeout at most.
 */
public final class GuestSocket implements Closeable {
  private static final Duration USUAL_TIMEOUT = Duration.ofSeconds(30);

  private final GuestDoor guest;
  private final TcpConnection connection;
  private final InputStream input = new Input();
  private final OutputStream output = new Output();
  private volatile Duration timeout = USUAL_TIMEOUT;
  private volatile boolean closed;

  GuestSocket(GuestDoor guest, TcpConnection connection) {
    this.guest = guest;
    this.connection = connection;
  }

  /**
   * What the peer sends; its end once the peer has closed. A read throws {@link SocketException}
   * once the connection is lost, and {@link SocketTimeoutException} if nothing comes in time.
   */
  public InputStream input() {
    return input;
  }

  /**
   * To the peer. A write returns when the guest's stack has taken the bytes, which is before the
   * peer has them; closing it is {@link #shutdownOutput()}.
   */
  public OutputStream output() {
    return output;
  }

  /** How long each read and write waits from now on; 30 seconds unless told. */
  public GuestSocket timeout(Duration timeout) {
    this.timeout = Objects.requireNonNull(timeout, "timeout");
    return this;
  }

  public Ipv4Address remoteAddress() {
    return connection.remoteAddress();
  }

  public int remotePort() {
    return connection.remotePort();
  }

  public int localPort() {
    return connection.localPort();
  }

  /** The state of RFC 9293, 3.3.2, as {@code ESTABLISHED}. */
  public String state() {
    return guest.ask(firmware -> connection.state().name());
  }

  /** Sends no more: the peer's reads end, and it may go on sending. */
  public void shutdownOutput() {
    guest.ask(
        firmware -> {
          connection.shutdownOutput();
          return connection;
        });
  }

  /** Resets the connection; what is on its way is lost. */
  public void abort() {
    guest.ask(
        firmware -> {
          connection.abort();
          return connection;
        });
  }

  /** Is done with it: what was written still goes out; what was not read resets the connection. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    guest.ask(
        firmware -> {
          connection.close();
          return connection;
        });
  }

  private void requireOpen() throws SocketException {
    if (closed) {
      throw new SocketException("the socket is closed");
    }
  }

  private SocketException lost() {
    String why = guest.ask(firmware -> SocketErrors.why(connection));
    return new SocketException(why);
  }

  private final class Input extends InputStream {
    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] to, int offset, int length) throws IOException {
      Objects.checkFromIndexSize(offset, length, to.length);
      requireOpen();
      if (length == 0) {
        return 0;
      }
      MemorySegment target = MemorySegment.ofArray(to);
      int given;
      try {
        given =
            guest.await(
                firmware -> {
                  int some = connection.receive(target, offset, length);
                  return some == 0 ? null : some;
                },
                timeout);
      } catch (TimeoutException e) {
        throw new SocketTimeoutException("nothing to read for %d ms".formatted(timeout.toMillis()));
      }
      if (given < 0 && guest.ask(firmware -> connection.error().isPresent())) {
        throw lost();
      }
      return given;
    }

    @Override
    public int available() throws IOException {
      requireOpen();
      return guest.ask(firmware -> connection.receivable());
    }
  }

  private final class Output extends OutputStream {
    @Override
    public void write(int one) throws IOException {
      write(new byte[] {(byte) one}, 0, 1);
    }

    @Override
    public void write(byte[] from, int offset, int length) throws IOException {
      Objects.checkFromIndexSize(offset, length, from.length);
      requireOpen();
      if (length == 0) {
        return;
      }
      MemorySegment source = MemorySegment.ofArray(from);
      int[] taken = new int[1]; // written on the guest's thread, read after it has answered
      boolean whole;
      try {
        whole =
            guest.await(
                firmware -> {
                  int some = connection.send(source, offset + taken[0], length - taken[0]);
                  if (some < 0) {
                    return false;
                  }
                  taken[0] += some;
                  return taken[0] == length ? true : null;
                },
                timeout);
      } catch (TimeoutException e) {
        throw new SocketTimeoutException(
            "the peer has not made room for %d bytes within %d ms"
                .formatted(length, timeout.toMillis()));
      }
      if (!whole) {
        throw lost();
      }
    }

    @Override
    public void close() {
      shutdownOutput();
    }
  }
}
