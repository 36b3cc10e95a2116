package dev.virtiolab.lab.socket;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.udp.UdpSocket;
import java.io.Closeable;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.TimeoutException;

/** A UDP port of the guest's. Any thread may call. */
public final class GuestDatagrams implements Closeable {
  /** How long a send waits for transmit buffers: a guest whose NIC works has some by then. */
  private static final Duration SEND_DEADLINE = Duration.ofSeconds(10);

  private final GuestDoor guest;
  private final UdpSocket socket;

  /**
   * What was received.
   *
   * @param address who sent it
   * @param port from which port
   */
  public record Datagram(Ipv4Address address, int port, byte[] data) {}

  GuestDatagrams(GuestDoor guest, UdpSocket socket) {
    this.guest = guest;
    this.socket = socket;
  }

  public int port() {
    return socket.port();
  }

  /**
   * Sends a datagram, in fragments if it is larger than the link takes.
   *
   * @throws IllegalArgumentException if it is too large, or nobody can be there
   * @throws SocketTimeoutException if the guest cannot send
   */
  public void send(Ipv4Address address, int port, byte[] data) throws IOException {
    MemorySegment source = MemorySegment.ofArray(data);
    try {
      guest.await(
          firmware -> socket.send(address, port, source, 0, data.length) ? true : null,
          SEND_DEADLINE);
    } catch (TimeoutException e) {
      throw new SocketTimeoutException("the guest's NIC sends nothing");
    }
  }

  /**
   * Waits for a datagram.
   *
   * @throws SocketTimeoutException if none has come within {@code deadline}
   */
  public Datagram receive(Duration deadline) throws IOException {
    byte[] room = new byte[UdpSocket.MAX_BYTES];
    MemorySegment target = MemorySegment.ofArray(room);
    try {
      return guest.await(
          firmware -> {
            int length = socket.receive(target, 0, room.length);
            return length < 0
                ? null
                : new Datagram(
                    socket.sourceAddress(), socket.sourcePort(), Arrays.copyOf(room, length));
          },
          deadline);
    } catch (TimeoutException e) {
      throw new SocketTimeoutException(
          "no datagram for port %d within %d ms".formatted(port(), deadline.toMillis()));
    }
  }

  @Override
  public void close() {
    guest.ask(
        firmware -> {
          socket.close();
          return socket;
        });
  }
}
