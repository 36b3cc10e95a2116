package dev.virtiolab.lab.throughput;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;

/**
 * What a process prints: passed on as it comes, and kept, up to a bound. Where it begins with how
 * to use the program, it is kept only: one line says what was wrong.
 */
final class Output {
  private static final int BUFFER_BYTES = 8192;
  private static final String USAGE = "Usage:";

  private final ByteArrayOutputStream kept = new ByteArrayOutputStream();
  private final CompletableFuture<Void> ended;
  private final int bound;

  /**
   * Reads on a thread of its own.
   *
   * @param screen where it is passed on to
   * @param bound bytes that are kept of the beginning
   */
  Output(InputStream stream, OutputStream screen, int bound) {
    this.bound = bound;
    ended = CompletableFuture.runAsync(() -> copy(stream, screen), Thread::startVirtualThread);
  }

  private void copy(InputStream stream, OutputStream screen) {
    byte[] buffer = new byte[BUFFER_BYTES];
    try (stream) {
      for (int n = stream.read(buffer); n >= 0; n = stream.read(buffer)) {
        synchronized (kept) {
          kept.write(buffer, 0, Math.min(n, bound - kept.size()));
        }
        if (!isUsage()) {
          screen.write(buffer, 0, n);
          screen.flush();
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Whether it says how to use the program, and so was not passed on. */
  boolean isUsage() {
    return soFar().startsWith(USAGE);
  }

  /** All that was printed; waits for its end. */
  String all() {
    ended.join();
    return soFar();
  }

  String soFar() {
    synchronized (kept) {
      return kept.toString(StandardCharsets.UTF_8);
    }
  }
}
