package dev.virtiolab.lab.segment;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.host.HostCommand;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The system's own {@code ping}, its output shown as it comes and its last lines understood. */
final class SystemPing {
  private static final Pattern COUNTS =
      Pattern.compile("(\\d+) packets transmitted, (\\d+) (?:packets )?received");
  private static final Pattern RTT =
      Pattern.compile("= ([\\d.]+)/([\\d.]+)/([\\d.]+)(?:/([\\d.]+))? ms");

  /** The summary is in the last lines; a flood's dots before it are not kept. */
  private static final int TAIL_BYTES = 4096;

  private static final long LOOK_MILLIS = 100;

  /** How long ping, which Ctrl-C reaches as well, may take to sum up. */
  private static final long LAST_WORDS_MILLIS = 1000;

  private final List<String> command = new ArrayList<>();

  /**
   * @param target address to ping
   * @param arguments further arguments, as ping understands them
   */
  SystemPing(String target, List<String> arguments) {
    // pdeathsig: should this process be killed outright, its ping goes with it.
    HostCommand.find("setpriv")
        .ifPresent(
            setpriv -> command.addAll(List.of(setpriv.toString(), "--pdeathsig", "INT", "--")));
    command.add(HostCommand.require("ping", "iputils-ping"));
    command.add("-n");
    command.addAll(arguments);
    command.add(target);
  }

  /**
   * Runs ping to its end, copying what it prints to {@code screen}. Ctrl-C cuts it short.
   *
   * @param trouble looked at now and then; if there is some, ping is ended
   * @throws LabException if ping ended without a summary: it refused its arguments, or there was
   *     trouble
   */
  PingResult run(OutputStream screen, Supplier<Optional<String>> trouble) {
    try {
      Process ping =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
              .start();
      CompletableFuture<String> tail =
          CompletableFuture.supplyAsync(
              () -> copy(ping.getInputStream(), screen), Thread::startVirtualThread);
      try {
        while (!ping.waitFor(LOOK_MILLIS, TimeUnit.MILLISECONDS)) {
          Optional<String> reason = trouble.get();
          if (reason.isPresent()) {
            ping.destroy();
            throw LabException.failure(reason.get());
          }
        }
        return understand(tail.join(), ping.exitValue());
      } catch (InterruptedException e) {
        return sumUp(ping, tail);
      }
    } catch (IOException e) {
      throw LabException.failure("cannot run ping: " + e.getMessage(), e);
    }
  }

  /** After Ctrl-C: what ping counted so far, if it says so in time. */
  private static PingResult sumUp(Process ping, CompletableFuture<String> tail) {
    try {
      if (ping.waitFor(LAST_WORDS_MILLIS, TimeUnit.MILLISECONDS)) {
        return understand(tail.join(), ping.exitValue());
      }
    } catch (InterruptedException e) {
      // Ctrl-C again: no last words then.
    }
    ping.destroy();
    throw LabException.interrupted();
  }

  private static String copy(InputStream output, OutputStream screen) {
    ByteArrayOutputStream tail = new ByteArrayOutputStream();
    byte[] buffer = new byte[TAIL_BYTES];
    try (output) {
      for (int n = output.read(buffer); n >= 0; n = output.read(buffer)) {
        screen.write(buffer, 0, n);
        screen.flush();
        if (tail.size() > TAIL_BYTES) {
          byte[] recent = tail.toByteArray();
          tail.reset();
          tail.write(recent, recent.length - TAIL_BYTES, TAIL_BYTES);
        }
        tail.write(buffer, 0, n);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return tail.toString(StandardCharsets.UTF_8);
  }

  /**
   * @throws LabException if there is no summary
   */
  static PingResult understand(String output, int exitCode) {
    Matcher counts = COUNTS.matcher(output);
    if (!counts.find()) {
      String lastLine =
          output.lines().filter(line -> !line.isBlank()).reduce((a, b) -> b).orElse("");
      throw LabException.failure("ping ended with exit code " + exitCode + ": " + lastLine.strip());
    }
    long sent = Long.parseLong(counts.group(1));
    long received = Long.parseLong(counts.group(2));
    Matcher rtt = RTT.matcher(output);
    return rtt.find()
        ? new PingResult(
            sent, received, milliseconds(rtt, 1), milliseconds(rtt, 2), milliseconds(rtt, 3))
        : new PingResult(sent, received, Double.NaN, Double.NaN, Double.NaN);
  }

  private static double milliseconds(Matcher matcher, int group) {
    return Double.parseDouble(matcher.group(group));
  }
}
