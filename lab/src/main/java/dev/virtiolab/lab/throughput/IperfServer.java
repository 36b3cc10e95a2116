package dev.virtiolab.lab.throughput;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.host.HostCommand;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/**
 * {@code iperf3 -s}. In a session of its own: Ctrl-C, which a terminal sends to all that is in the
 * foreground, ends the client, and the server is still there for the client's last words.
 */
final class IperfServer implements AutoCloseable {
  private static final int KEPT_BYTES = 1 << 16;
  private static final long START_SECONDS = 10;
  private static final long END_SECONDS = 5;
  private static final long LOOK_MILLIS = 2;

  private final Process process;
  private final ServerLines lines;
  private final Output out;
  private final Output err;

  private IperfServer(Process process, OutputStream screen) {
    this.process = process;
    lines = new ServerLines(screen);
    out = new Output(process.getInputStream(), lines, KEPT_BYTES);
    err = new Output(process.getErrorStream(), OutputStream.nullOutputStream(), KEPT_BYTES);
  }

  /**
   * The arguments that make it one.
   *
   * @param port that it listens at; empty for iperf3's own choice
   */
  static List<String> arguments(OptionalInt port) {
    List<String> arguments = new ArrayList<>(List.of("-s", "--forceflush"));
    port.ifPresent(number -> arguments.addAll(List.of("-p", Integer.toString(number))));
    return arguments;
  }

  /**
   * Starts it, and returns when it listens.
   *
   * @param seat where
   * @param screen where its output goes, as it comes
   * @throws LabException if it does not, with the line in which it said why
   */
  static IperfServer start(Iperf3 iperf3, Seat seat, List<String> arguments, OutputStream screen) {
    List<String> before = new ArrayList<>();
    before.add(HostCommand.require("setsid", "util-linux"));
    before.addAll(seat.command());
    IperfServer server;
    try {
      server =
          new IperfServer(
              new ProcessBuilder(iperf3.command(before, arguments))
                  .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                  .start(),
              screen);
    } catch (IOException e) {
      throw LabException.failure("cannot run the iperf3 server: " + e.getMessage(), e);
    }
    try {
      server.await(() -> server.out.soFar().contains("Server listening"));
      return server;
    } catch (RuntimeException e) {
      server.close();
      throw e;
    }
  }

  private void await(BooleanSupplier ready) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
    try {
      while (!ready.getAsBoolean()) {
        if (process.waitFor(LOOK_MILLIS, TimeUnit.MILLISECONDS)) {
          throw ended();
        }
        if (System.nanoTime() - deadline > 0) {
          throw LabException.failure("the iperf3 server does not listen: " + err.soFar());
        }
      }
    } catch (InterruptedException e) {
      throw LabException.interrupted();
    }
  }

  /** Whom it serves now; empty while it waits for the next one. */
  Optional<Ipv4Address> client() {
    return lines.client();
  }

  /**
   * Bytes that it has read and written so far, most of them from and to clients; {@link
   * Long#MIN_VALUE} where the kernel does not say (proc(5), {@code /proc/pid/io}).
   */
  long movedBytes() {
    try (Stream<String> counts = Files.lines(Path.of("/proc", "" + process.pid(), "io"))) {
      return counts
          .map(line -> line.split(": "))
          .filter(count -> count[0].equals("rchar") || count[0].equals("wchar"))
          .mapToLong(count -> Long.parseLong(count[1]))
          .sum();
    } catch (IOException | UncheckedIOException e) {
      return Long.MIN_VALUE;
    }
  }

  /** Waits for its end; returns whether it has ended. */
  boolean awaitEnd(long time, TimeUnit unit) throws InterruptedException {
    return process.waitFor(time, unit);
  }

  /**
   * Looks, once it has ended, whether it did so in order, as one that was to serve one client.
   *
   * @throws LabException if not, with the line in which it said why
   */
  void checkEnd() {
    if (process.exitValue() != 0) {
      throw ended();
    }
  }

  /**
   * Looks whether it runs.
   *
   * @throws LabException if not, with the line in which it said why
   */
  void check() {
    if (!process.isAlive()) {
      throw ended();
    }
  }

  private LabException ended() {
    String complaint = Iperf3.complaint(err.all());
    return Iperf3.isAboutOptions(complaint)
        ? LabException.usage("iperf3: " + complaint)
        : LabException.failure(
            "the iperf3 server ended with exit code " + process.exitValue() + ": " + complaint);
  }

  /** Ends it, and waits for that. */
  @Override
  public void close() {
    process.toHandle().destroy();
    boolean interrupted = false;
    try {
      if (!process.waitFor(END_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
    } catch (InterruptedException e) {
      interrupted = true;
      process.destroyForcibly();
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
