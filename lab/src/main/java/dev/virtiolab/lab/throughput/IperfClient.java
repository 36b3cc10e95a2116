package dev.virtiolab.lab.throughput;

import dev.virtiolab.lab.LabException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** {@code iperf3 -c}, run to its end, its output shown as it comes. */
final class IperfClient {
  /** What {@code --json} of many streams and a long run comes to, with room to spare. */
  private static final int KEPT_BYTES = 1 << 26;

  private static final long LOOK_MILLIS = 100;

  /** How long it may take to sum up after Ctrl-C, which reaches it as well from a terminal. */
  private static final long OWN_LAST_WORDS_MILLIS = 500;

  /** And after it was told to end, where the signal was for this process alone. */
  private static final long LAST_WORDS_MILLIS = 1500;

  /** Looked at while the client runs. */
  interface Watch {
    /**
     * @throws LabException if something that the client needs is gone
     */
    void check();
  }

  /** What it says after SIGINT or SIGTERM; the exit code is 1 then. */
  private static final String INTERRUPTED = "interrupt";

  private final List<String> command;

  /** What a result in JSON says went wrong; of the older versions the exit code does not. */
  private static final Pattern ERROR = Pattern.compile("\"error\":\\s*\"((?:[^\"\\\\]|\\\\.)*)\"");

  /**
   * @param command as {@link Iperf3#command} makes it
   */
  IperfClient(List<String> command) {
    this.command = command;
  }

  /**
   * Runs it.
   *
   * @param screen where its output goes, as it comes
   * @throws LabException if it failed, with the line in which it said why; or what the watch threw
   */
  IperfResult run(OutputStream screen, Watch watch) {
    try {
      return runToItsEnd(screen, watch);
    } catch (LabException e) {
      // Where what it needs is gone, that is the reason, and not what the client made of it.
      watch.check();
      throw e;
    }
  }

  private IperfResult runToItsEnd(OutputStream screen, Watch watch) {
    Process client;
    try {
      client =
          new ProcessBuilder(command)
              .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
              .start();
    } catch (IOException e) {
      throw LabException.failure("cannot run the iperf3 client: " + e.getMessage(), e);
    }
    Output out = new Output(client.getInputStream(), screen, KEPT_BYTES);
    Output err = new Output(client.getErrorStream(), OutputStream.nullOutputStream(), KEPT_BYTES);
    try {
      while (!client.waitFor(LOOK_MILLIS, TimeUnit.MILLISECONDS)) {
        watch.check();
      }
    } catch (InterruptedException e) {
      return new IperfResult(sumUp(client, out), true);
    } catch (RuntimeException e) {
      client.destroyForcibly();
      throw e;
    }
    String complaint = complaint(out.all(), err.all());
    if (complaint.startsWith(INTERRUPTED)) {
      return new IperfResult(out.all(), true);
    }
    if (client.exitValue() != 0 || !complaint.isEmpty()) {
      throw failure(client.exitValue(), complaint);
    }
    showHelp(out, screen);
    return new IperfResult(out.all(), false);
  }

  private static String complaint(String output, String errors) {
    Matcher error = ERROR.matcher(output);
    return error.find() ? error.group(1) : Iperf3.complaint(errors);
  }

  /** Where it was asked how it is used, and not told so. */
  private static void showHelp(Output out, OutputStream screen) {
    if (out.isUsage()) {
      try {
        screen.write(out.all().getBytes(StandardCharsets.UTF_8));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  /** After Ctrl-C: what it measured so far, if it says so in time. */
  private static String sumUp(Process client, Output out) {
    try {
      if (!client.waitFor(OWN_LAST_WORDS_MILLIS, TimeUnit.MILLISECONDS)) {
        client.toHandle().destroy(); // unlike the process's own, it leaves the output open
        if (!client.waitFor(LAST_WORDS_MILLIS, TimeUnit.MILLISECONDS)) {
          client.destroyForcibly();
          throw LabException.interrupted();
        }
      }
      return out.all();
    } catch (InterruptedException e) {
      client.destroyForcibly(); // Ctrl-C again: no last words then
      throw LabException.interrupted();
    }
  }

  private static LabException failure(int exitCode, String complaint) {
    return Iperf3.isAboutOptions(complaint)
        ? LabException.usage("iperf3: " + complaint)
        : LabException.failure(
            "the iperf3 client ended with exit code " + exitCode + ": " + complaint);
  }
}
