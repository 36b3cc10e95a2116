package dev.virtiolab.integration.kit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.github.dockerjava.api.DockerClient;
import dev.virtiolab.posix.fixture.Requirements;
import dev.virtiolab.testkit.containers.Owned;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.testcontainers.DockerClientFactory;

/** A test JVM that goes without a word leaves nothing; one without an engine says so. */
class KillTest {
  private static final long DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(60);

  @TempDir Path folder;

  private static ProcessBuilder java(String mainClass, String... options) {
    List<String> command =
        Stream.of(
                List.of(ProcessHandle.current().info().command().orElseThrow()),
                List.of("--enable-native-access=ALL-UNNAMED", "-XX:TieredStopAtLevel=1"),
                List.of(options),
                List.of("-cp", System.getProperty("java.class.path"), mainClass))
            .flatMap(List::stream)
            .toList();
    return new ProcessBuilder(command);
  }

  @Test
  void kill9OfTheJvmRemovesItsContainersAndNetworks() throws Exception {
    DockerEngine.require();
    Path errors = folder.resolve("errors");
    Process process =
        java("dev.virtiolab.integration.kit.KilledJvm").redirectError(errors.toFile()).start();
    String label;
    try (BufferedReader out =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      String line = out.readLine();
      assertNotNull(line, () -> read(errors));
      assertTrue(line.startsWith("up "), line);
      label = Owned.LABEL + "=" + line.substring(3);
      assertEquals(1, containers(label), "the cable");
      assertEquals(1, networks(label));
    } finally {
      process.destroyForcibly();
    }
    assertTrue(process.waitFor(60, TimeUnit.SECONDS));
    long start = System.nanoTime();
    while (containers(label) + networks(label) > 0) {
      assertFalse(
          System.nanoTime() - start > DEADLINE_NANOS,
          () -> containers(label) + " containers and " + networks(label) + " networks are left");
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(100));
    }
  }

  @Test
  void withoutAnEngineOneLineSaysSo() throws Exception {
    Path output = folder.resolve("output");
    Requirements.assumeRoot();
    ProcessBuilder builder =
        java("dev.virtiolab.integration.kit.KilledJvm").redirectErrorStream(true);
    // Testcontainers looks for the usual socket, too: in a mount namespace where /run is empty.
    List<String> command =
        new ArrayList<>(
            List.of("unshare", "-m", "sh", "-c", "mount -t tmpfs none /run && exec \"$@\"", "sh"));
    command.addAll(builder.command());
    builder.command(command);
    builder.environment().put("DOCKER_HOST", "unix:///nowhere/docker.sock");
    Process process = builder.redirectOutput(output.toFile()).start();
    try {
      assertTrue(process.waitFor(120, TimeUnit.SECONDS), "still trying");
    } finally {
      process.destroyForcibly();
    }
    assertEquals(1, process.exitValue());
    String text = read(output);
    assertTrue(text.contains("no Docker engine answers: start dockerd"), text);
  }

  private static int containers(String label) {
    return client()
        .listContainersCmd()
        .withShowAll(true)
        .withLabelFilter(List.of(label))
        .exec()
        .size();
  }

  private static int networks(String label) {
    return client().listNetworksCmd().withFilter("label", List.of(label)).exec().size();
  }

  private static DockerClient client() {
    return DockerClientFactory.instance().client();
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return e.toString();
    }
  }
}
