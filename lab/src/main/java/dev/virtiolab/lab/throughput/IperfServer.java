package dev.virtiolab.lab.throughput;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.host.HostCommand;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * {@code iperf3 -s} in a network namespace of its own, which ends with it. In a session of its own
 * as well: Ctrl-C, which a terminal sends to all that is in the foreground, ends the client, and
 * the server is still there for the client's last words.
 */
final class IperfServer implements AutoCloseable {
  private static final int KEPT_BYTES = 1 << 16;
  private static final long START_SECONDS = 10;
  private static final long END_SECONDS = 5;
  private static final long LOOK_MILLIS = 2;

  private final Process process;
  private final Output out;
  private final Output err;

  private IperfServer(Process process) {
    this.process = process;
    out = new Output(process.getInputStream(), OutputStream.nullOutputStream(), KEPT_BYTES);
    err = new Output(process.getErrorStream(), OutputStream.nullOutputStream(), KEPT_BYTES);
  }

  /**
   * Starts it, and returns when its namespace is there and it listens.
   *
   * @throws LabException if it does not, with the line in which it said why
   */
  static IperfServer start(Iperf3 iperf3, OptionalInt port) {
    List<String> before =
        List.of(
            HostCommand.require("setsid", "util-linux"),
            HostCommand.require("unshare", "util-linux"),
            "--net");
    List<String> arguments = new ArrayList<>(List.of("-s", "--forceflush"));
    port.ifPresent(number -> arguments.addAll(List.of("-p", Integer.toString(number))));
    IperfServer server;
    try {
      server =
          new IperfServer(
              new ProcessBuilder(iperf3.command(before, arguments))
                  .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                  .start());
    } catch (IOException e) {
      throw LabException.failure("cannot run the iperf3 server: " + e.getMessage(), e);
    }
    try {
      // What it prints comes after unshare: the namespace is its own by then.
      server.await(() -> server.out.soFar().contains("Server listening"));
      if (server.namespace().equals(namespaceOf("self"))) {
        throw LabException.failure("the iperf3 server has no network namespace of its own");
      }
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

  boolean running() {
    return process.isAlive();
  }

  /** Why it is no longer running. */
  LabException ended() {
    return LabException.failure(
        "the iperf3 server ended with exit code "
            + process.exitValue()
            + ": "
            + Iperf3.complaint(err.all()));
  }

  long pid() {
    return process.pid();
  }

  private Path namespace() {
    return namespaceOf(Long.toString(pid()));
  }

  private static Path namespaceOf(String process) {
    try {
      return Files.readSymbolicLink(Path.of("/proc", process, "ns", "net"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The command that runs another one in its namespace. */
  List<String> inside() {
    return List.of(
        HostCommand.require("nsenter", "util-linux"),
        "--target",
        Long.toString(pid()),
        "--net",
        "--");
  }

  /** Ends it, and waits for that; its namespace and what is in it go too. */
  @Override
  public void close() {
    process.destroy();
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
