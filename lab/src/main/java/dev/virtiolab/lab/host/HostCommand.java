package dev.virtiolab.lab.host;

import dev.virtiolab.lab.LabException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** A command of the host: looked up on the PATH, run, its outcome read. */
public final class HostCommand {

  /**
   * How a command ended.
   *
   * @param exitCode as the shell would show it
   * @param output what it printed, standard error included
   */
  public record Outcome(int exitCode, String output) {
    public boolean ok() {
      return exitCode == 0;
    }

    /** The first line that says something, for a message of one line. */
    public String firstLine() {
      return output.lines().filter(line -> !line.isBlank()).findFirst().orElse("").strip();
    }
  }

  private HostCommand() {}

  /** Where {@code name} is on the PATH, the administrator's folders included. */
  public static Optional<Path> find(String name) {
    String path = System.getenv().getOrDefault("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin";
    for (String folder : path.split(":")) {
      Path candidate = Path.of(folder.isEmpty() ? "." : folder, name);
      if (Files.isRegularFile(candidate) && Files.isExecutable(candidate)) {
        return Optional.of(candidate);
      }
    }
    return Optional.empty();
  }

  /**
   * Where {@code name} is.
   *
   * @param debianPackage what to install where it is missing
   * @throws LabException if it is not on the PATH
   */
  public static String require(String name, String debianPackage) {
    return find(name)
        .map(Path::toString)
        .orElseThrow(() -> LabException.usage(missing(name, debianPackage).orElseThrow()));
  }

  /** What to install if {@code name} is not on the PATH, in one line; empty if it is there. */
  public static Optional<String> missing(String name, String debianPackage) {
    return find(name).isPresent()
        ? Optional.empty()
        : Optional.of(
            name
                + " is missing: install the package "
                + debianPackage
                + " (Debian, Ubuntu: sudo apt-get install "
                + debianPackage
                + ")");
  }

  /**
   * Runs a command to its end; one that cannot be started has exit code 127.
   *
   * @throws LabException if Ctrl-C comes first
   */
  public static Outcome run(List<String> command) {
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
              .start();
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      return new Outcome(process.waitFor(), output);
    } catch (IOException e) {
      return new Outcome(127, String.valueOf(e.getMessage()));
    } catch (InterruptedException e) {
      throw LabException.interrupted();
    }
  }

  /**
   * Runs a command that has to succeed.
   *
   * @throws LabException with what it printed, if it does not
   */
  public static String runOrFail(String... command) {
    Outcome outcome = run(List.of(command));
    if (!outcome.ok()) {
      throw LabException.failure(String.join(" ", command) + ": " + outcome.firstLine());
    }
    return outcome.output();
  }
}
