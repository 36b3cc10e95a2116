package dev.virtiolab.lab.throughput;

import dev.virtiolab.lab.LabException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

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

  private final List<String> command;

  IperfClient(Iperf3 iperf3, List<String> arguments) {
    command = iperf3.command(List.of(), arguments);
  }

  /**
   * Runs it.
   *
   * @param screen where its output goes, as it comes
   * @throws LabException if it failed, with the line in which it said why
   */
  IperfResult run(OutputStream screen, Watch watch) {
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
    if (client.exitValue() != 0) {
      throw failure(client.exitValue(), err.all());
    }
    return new IperfResult(out.all(), false);
  }

  /** After Ctrl-C: what it measured so far, if it says so in time. */
  private static String sumUp(Process client, Output out) {
    try {
      if (!client.waitFor(OWN_LAST_WORDS_MILLIS, TimeUnit.MILLISECONDS)) {
        client.destroy();
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

  private static LabException failure(int exitCode, String errors) {
    String complaint = Iperf3.complaint(errors);
    return Iperf3.isAboutOptions(complaint)
        ? LabException.usage("iperf3: " + complaint)
        : LabException.failure(
            "the iperf3 client ended with exit code " + exitCode + ": " + complaint);
  }
}
