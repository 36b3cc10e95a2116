package dev.virtiolab.testkit;

import dev.virtiolab.lab.socket.GuestListener;
import dev.virtiolab.lab.socket.GuestSocket;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Bytes that went over TCP from one guest to another.
 *
 * @param sent how many were sent; their values follow from the sender's seed
 * @param received how many arrived before the end of the stream
 * @param sentDigest SHA-256 over those that were sent
 * @param receivedDigest over those that arrived
 * @param time from the connection's beginning to the last byte
 */
public record Transfer(
    long sent, long received, String sentDigest, String receivedDigest, Duration time) {
  private static final int CHUNK_BYTES = 16 << 10;

  /** Whether all arrived, and nothing else. */
  public boolean isIntact() {
    return sent == received && sentDigest.equals(receivedDigest);
  }

  /** What was read of a stream. */
  private record Received(long bytes, String digest) {}

  /**
   * @throws AssertionError if it is not done before the deadline, or breaks
   */
  static Transfer run(Guest from, Guest to, long bytes, Duration within) {
    long start = System.nanoTime();
    String what = "%d bytes from %s to %s".formatted(bytes, from.name(), to.name());
    try (GuestListener listener = to.tcp().listen(0)) {
      FutureTask<Received> far = new FutureTask<>(() -> receive(listener, within));
      Thread.ofVirtual().name("transfer").start(far);
      String digest;
      try (GuestSocket socket = from.tcp().connect(to.address(), listener.port(), within)) {
        socket.timeout(within);
        digest = send(socket, bytes, from.seed());
        long left = within.toNanos() - (System.nanoTime() - start);
        Received received = far.get(Math.max(0, left), TimeUnit.NANOSECONDS);
        return new Transfer(
            bytes,
            received.bytes,
            digest,
            received.digest,
            Duration.ofNanos(System.nanoTime() - start));
      }
    } catch (InterruptedException e) {
      throw Interrupts.asAssertion(what, e);
    } catch (IOException | ExecutionException | TimeoutException e) {
      throw new AssertionError(what + ": " + e, e);
    }
  }

  private static String send(GuestSocket socket, long bytes, long seed) throws IOException {
    MessageDigest digest = sha256();
    SplittableRandom random = new SplittableRandom(seed);
    byte[] chunk = new byte[CHUNK_BYTES];
    OutputStream output = socket.output();
    for (long left = bytes; left > 0; left -= chunk.length) {
      random.nextBytes(chunk);
      int length = (int) Math.min(left, chunk.length);
      digest.update(chunk, 0, length);
      output.write(chunk, 0, length);
    }
    socket.shutdownOutput();
    return HexFormat.of().formatHex(digest.digest());
  }

  private static Received receive(GuestListener listener, Duration within) throws IOException {
    MessageDigest digest = sha256();
    long bytes = 0;
    try (GuestSocket socket = listener.accept(within)) {
      socket.timeout(within);
      InputStream input = socket.input();
      byte[] chunk = new byte[CHUNK_BYTES];
      for (int got = input.read(chunk, 0, chunk.length);
          got >= 0;
          got = input.read(chunk, 0, chunk.length)) {
        digest.update(chunk, 0, got);
        bytes += got;
      }
    }
    return new Received(bytes, HexFormat.of().formatHex(digest.digest()));
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }
}
