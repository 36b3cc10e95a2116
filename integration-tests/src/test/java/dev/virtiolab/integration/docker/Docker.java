package dev.virtiolab.integration.docker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import dev.virtiolab.integration.ContainerOwner;
import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** The engine by its command line, and what a test made there, which goes with the test. */
final class Docker implements AutoCloseable {
  static final Path FOLDER = Path.of("").toAbsolutePath().resolveSibling("docker");
  static final String LAB = "virtio-lab/lab";
  static final String PEER = "virtio-lab/peer";

  private static final long DEADLINE_SECONDS = 400;
  private static final AtomicInteger NUMBER = new AtomicInteger();

  /** How a command ended; {@code out} is all that it printed. */
  record Ended(int exitCode, String out) {
    Ended orFail() {
      assertEquals(0, exitCode, out);
      return this;
    }
  }

  private final Deque<List<String>> removals = new ArrayDeque<>();

  /** Skips the test where there is no engine with the images. */
  static Docker open() {
    Requirements.assume(
        System.getenv("VIRTIO_LAB_IMAGE") != null,
        "no Docker engine with the lab's images: start dockerd, then docker/engine run"
            + " docker/with-images COMMAND, as ./vlab test does");
    return new Docker();
  }

  /** A name that no other test has. */
  static String newName(String what) {
    return "vlab-test-" + ProcessHandle.current().pid() + "-" + what + NUMBER.incrementAndGet();
  }

  /** A network of the test's own. */
  String network(String subnet) {
    String name = newName("net");
    removals.push(List.of("docker", "network", "rm", name));
    run("docker", "network", "create", "--subnet", subnet, "--label", label(), name).orFail();
    return name;
  }

  /** Starts a container: options, image, command. */
  String start(String... words) {
    return start(label(), words);
  }

  /** Likewise, with another label than this test's. */
  String start(String label, String[] words) {
    String name = newName("box");
    List<String> command = new ArrayList<>(List.of("docker", "run", "--detach", "--name", name));
    command.addAll(List.of("--label", label));
    command.addAll(List.of(words));
    removals.push(List.of("docker", "rm", "--force", "--volumes", name));
    run(command, Map.of()).orFail();
    return name;
  }

  private static String label() {
    return "virtio-lab.owner=" + ContainerOwner.thisProcess();
  }

  /** Waits until the container has printed {@code words}. */
  void awaitLog(String container, String words) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
    while (!run("docker", "logs", container).out().contains(words)) {
      if (System.nanoTime() - deadline > 0
          || !inspect(container, ".State.Running").equals("true")) {
        fail("never printed " + words + " but: " + run("docker", "logs", container).out());
      }
    }
  }

  /** What the engine knows of a container, image or network. */
  static String inspect(String what, String field) {
    return run("docker", "inspect", "--format", "{{" + field + "}}", what).orFail().out();
  }

  static Ended run(String... command) {
    return run(List.of(command), Map.of());
  }

  /** Runs a command in the folder docker; its outputs are one. */
  static Ended run(List<String> command, Map<String, String> environment) {
    try {
      Path printed = Files.createTempFile("docker-test", ".out");
      try {
        ProcessBuilder builder =
            new ProcessBuilder(command)
                .directory(FOLDER.toFile())
                .redirectErrorStream(true)
                .redirectOutput(printed.toFile());
        builder.environment().putAll(environment);
        Process process = builder.start();
        process.getOutputStream().close();
        if (!process.waitFor(DEADLINE_SECONDS, TimeUnit.SECONDS)) {
          process.destroyForcibly().waitFor();
          fail("no end of " + command + "; it printed: " + Files.readString(printed));
        }
        return new Ended(process.exitValue(), Files.readString(printed).strip());
      } finally {
        Files.delete(printed);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    removals.forEach(command -> run(command, Map.of()));
  }
}
