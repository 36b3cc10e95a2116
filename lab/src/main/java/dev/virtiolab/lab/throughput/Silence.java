package dev.virtiolab.lab.throughput;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.net.NetBackend;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Notices that nobody is there any more. A wire of datagrams does not know, TCP goes on trying for
 * a quarter of an hour, and a receiver of UDP has nothing to say; so whoever was silent for half of
 * the patience is asked: its kernel refuses a connection to a port at which nobody listens.
 *
 * <p>A wire may be lively though the test stands still: others knock at a server that is busy. So
 * the bytes that the test moves are looked at, too, where they can be.
 */
final class Silence {
  /** Where nobody listens: discard (RFC 863). Refusals are answers, too. */
  private static final int PORT = 9;

  /** How long a wire that knows may be without a peer, at most: it may come back. */
  private static final long LINK_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** What does not count as movement: a knock costs the server 38 bytes, and there are many. */
  private static final long KNOCKING_BYTES = 1024;

  private final NetBackend wire;
  private final LongSupplier moved;
  private final String name;
  private final Seat seat;
  private final InetSocketAddress target;
  private final long patienceNanos;

  private long heard;
  private long heardAt = System.nanoTime();
  private long upAt = heardAt;
  private long movedBytes;
  private long movedAt = heardAt;
  private boolean asked;
  private String complaint;

  /**
   * @param wire to whoever is to be heard
   * @param moved bytes that the test has moved so far; {@link Long#MIN_VALUE} if nobody knows
   * @param name of the wire
   * @param seat from where to ask
   * @param target whom
   */
  Silence(
      NetBackend wire,
      LongSupplier moved,
      String name,
      Seat seat,
      Ipv4Address target,
      Duration patience) {
    this.wire = wire;
    this.moved = moved;
    this.name = name;
    this.seat = seat;
    this.target = new InetSocketAddress(inet(target), PORT);
    patienceNanos = patience.toNanos();
  }

  private static InetAddress inet(Ipv4Address address) {
    try {
      return InetAddress.getByName(address.toString()); // digits: nobody is asked
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * To be called now and then.
   *
   * @throws LabException if there was silence for too long
   */
  void check() {
    if (!bearable()) {
      throw LabException.failure(complaint());
    }
  }

  /** Likewise; once false it stays false. */
  boolean bearable() {
    if (complaint == null) {
      look(System.nanoTime());
    }
    return complaint == null;
  }

  /** Why it is not bearable. */
  String complaint() {
    return complaint;
  }

  private void look(long now) {
    boolean up = wire.linkUp();
    if (up) {
      upAt = now;
    } else if (now - upAt > LINK_NANOS || now - heardAt > patienceNanos) {
      complaint = "the wire is gone: " + name + ": the other side went away";
      return;
    }
    long bytes = moved.getAsLong();
    if (bytes == Long.MIN_VALUE || bytes - movedBytes > KNOCKING_BYTES) {
      movedBytes = bytes;
      movedAt = now;
    } else if (now - movedAt > patienceNanos) {
      complaint =
          "%s is gone: nothing of its test has moved in %d s"
              .formatted(target.getHostString(), TimeUnit.NANOSECONDS.toSeconds(patienceNanos));
      return;
    }
    long frames = wire.counters().framesIn();
    if (frames != heard) {
      heard = frames;
      heardAt = now;
      asked = false;
    } else if (now - heardAt > patienceNanos) {
      complaint =
          "the wire is gone: %s: nothing was heard of the other side in %d s"
              .formatted(name, TimeUnit.NANOSECONDS.toSeconds(patienceNanos));
    } else if (!asked && now - heardAt > patienceNanos / 2) {
      asked = true;
      Thread.ofPlatform().name("question").daemon().start(this::ask);
    }
  }

  /** The kernel repeats the question, should it get lost. */
  private void ask() {
    seat.inside(
        () -> {
          try (Socket socket = new Socket()) {
            socket.connect(target, (int) TimeUnit.NANOSECONDS.toMillis(patienceNanos / 2));
          } catch (IOException e) {
            // Refused, most likely. What counts is what came on the wire.
          }
          return null;
        });
  }
}
