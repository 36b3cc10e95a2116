package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.bench.BenchResult;
import dev.virtiolab.lab.host.OwnProcess;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.Collectors;

/**
 * Another process like this one, which measures what it is told and prints each row as it has it.
 * What the JVM learns of one kind of traffic makes the code for the next one slower; so each kind
 * has a JVM of its own, and no figure depends on what else was asked for.
 *
 * <p>It ends with the process that started it: it watches for the end of its standard input.
 */
final class BenchWorker implements AutoCloseable {
  private final Process process;
  private final BlockingQueue<Optional<String>> lines = new LinkedBlockingQueue<>();

  private BenchWorker(Process process) {
    this.process = process;
    Thread.ofVirtual().start(this::read);
  }

  /**
   * Starts one.
   *
   * @param arguments of the command line
   */
  static BenchWorker start(List<String> arguments) {
    List<String> command = new ArrayList<>();
    for (String word : OwnProcess.commandLine()) {
      command.add(word);
      if (word.endsWith(Main.class.getName())) {
        command.addAll(arguments);
        return start(new ProcessBuilder(command));
      }
    }
    throw new IllegalStateException("this process does not run " + Main.class.getName());
  }

  private static BenchWorker start(ProcessBuilder builder) {
    try {
      return new BenchWorker(builder.start());
    } catch (IOException e) {
      throw LabException.failure("cannot start a process to measure in: " + e.getMessage(), e);
    }
  }

  /** Ends this process when the one that started it does; for the worker itself. */
  static void endWithParent() {
    Thread.ofPlatform()
        .daemon()
        .name("parent")
        .start(
            () -> {
              try {
                while (System.in.read() >= 0) {
                  // Nothing is ever said.
                }
              } catch (IOException e) {
                // Gone as well.
              }
              Runtime.getRuntime().halt(LabException.FAILURE);
            });
  }

  /**
   * The next row.
   *
   * @return nothing once there is none
   * @throws LabException if the worker failed; it says why
   * @throws InterruptedException at Ctrl-C
   */
  Optional<BenchResult> next() throws InterruptedException {
    Optional<String> line = lines.take();
    if (line.isPresent()) {
      return Optional.of(Json.parse(line.get(), BenchResult.class));
    }
    int exitCode = process.waitFor();
    if (exitCode != 0) {
      throw LabException.failure(reason(exitCode));
    }
    return Optional.empty();
  }

  private String reason(int exitCode) {
    try (BufferedReader err = process.errorReader()) {
      String said = err.lines().collect(Collectors.joining("; "));
      return said.isEmpty()
          ? "a measuring process ended with exit code " + exitCode
          : said.replaceFirst("^vlab: ", "");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void read() {
    try (BufferedReader out = process.inputReader()) {
      out.lines().map(Optional::of).forEach(lines::add);
    } catch (IOException | UncheckedIOException e) {
      // Destroyed while it spoke.
    }
    lines.add(Optional.empty());
  }

  /** Ends it, whatever it does. */
  @Override
  public void close() {
    process.destroyForcibly();
    try {
      process.waitFor();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
