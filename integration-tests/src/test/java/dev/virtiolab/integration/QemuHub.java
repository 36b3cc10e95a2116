package dev.virtiolab.integration;

import dev.virtiolab.posix.fixture.Requirements;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A QEMU without a machine: its network back ends, joined by its hub, which copies each frame that
 * one of them receives to all the others.
 */
final class QemuHub implements AutoCloseable {
  private static final String PROGRAM = "qemu-system-x86_64";

  private final Process process;

  private QemuHub(Process process) {
    this.process = process;
  }

  /** Skips the test where there is no QEMU, or one without {@code -netdev stream} and dgram. */
  static void assumeInstalled() {
    Requirements.assumeProgram(PROGRAM, "qemu-system-x86");
    Requirements.assume(
        output(PROGRAM, "-netdev", "help").lines().anyMatch("dgram"::equals),
        PROGRAM + " is older than 7.2, which brought -netdev stream and dgram");
  }

  /** {@code -netdev dgram} over unix sockets, as QEMU is told. */
  static String dgram(Path local, Path remote) {
    return "dgram,local.type=unix,local.path=" + local + ",remote.type=unix,remote.path=" + remote;
  }

  /** {@code -netdev dgram} over UDP. */
  static String dgram(InetSocketAddress local, InetSocketAddress remote) {
    return "dgram" + inet(",local", local) + inet(",remote", remote);
  }

  /** {@code -netdev stream} that listens. */
  static String streamServer(InetSocketAddress address) {
    return "stream,server=on" + inet(",addr", address);
  }

  /** {@code -netdev stream} that connects. */
  static String streamClient(InetSocketAddress address) {
    return "stream,server=off" + inet(",addr", address);
  }

  /** The same over a unix socket. */
  static String streamServer(Path path) {
    return "stream,server=on,addr.type=unix,addr.path=" + path;
  }

  /** The same over a unix socket. */
  static String streamClient(Path path) {
    return "stream,server=off,addr.type=unix,addr.path=" + path;
  }

  private static String inet(String prefix, InetSocketAddress address) {
    return String.format(
        "%1$s.type=inet%1$s.host=%2$s%1$s.port=%3$d",
        prefix, address.getHostString(), address.getPort());
  }

  /** Starts one, and returns when its sockets are there. */
  static QemuHub start(String... netdevs) {
    List<String> command =
        new ArrayList<>(
            List.of(
                PROGRAM,
                // Running, unlike with -S: a stopped QEMU forwards nothing.
                "-machine",
                "none",
                "-nodefaults",
                "-display",
                "none",
                "-monitor",
                "stdio"));
    for (int i = 0; i < netdevs.length; i++) {
      String id = "n" + i;
      command.addAll(List.of("-netdev", netdevs[i] + ",id=" + id));
      command.addAll(List.of("-netdev", "hubport,hubid=0,id=h" + i + ",netdev=" + id));
    }
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      awaitPrompt(process);
      return new QemuHub(process);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The monitor speaks first once everything else is set up. */
  private static void awaitPrompt(Process process) throws IOException {
    BufferedReader output =
        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    StringBuilder seen = new StringBuilder();
    for (String line = output.readLine(); line != null; line = output.readLine()) {
      seen.append(line).append('\n');
      if (line.contains("monitor - type 'help'")) {
        return;
      }
    }
    throw new AssertionError("QEMU ended: " + seen);
  }

  /** Whether it still runs. */
  boolean alive() {
    return process.isAlive();
  }

  @Override
  public void close() {
    process.destroy();
    try {
      if (!process.waitFor(10, TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor();
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
  }

  private static String output(String... command) {
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      process.waitFor();
      return text;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
