package dev.virtiolab.integration.kit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.github.dockerjava.api.DockerClient;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.virtiolab.posix.fixture.Requirements;
import dev.virtiolab.testkit.containers.Owned;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
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
    String text = complaintOf("unix:///nowhere/docker.sock");
    assertTrue(text.contains("no Docker engine answers: start dockerd"), text);
  }

  @Test
  void anEngineThatIsTooOldIsRefusedInOneLine() throws Exception {
    HttpServer old =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    old.createContext("/", exchange -> answer(exchange, whatAnOldEngineSays(exchange)));
    old.start();
    try {
      String text = complaintOf("tcp://127.0.0.1:" + old.getAddress().getPort());
      assertTrue(
          text.contains("the Docker engine is too old: its API is 1.40, and 1.41 of Docker 20.10"),
          text);
    } finally {
      old.stop(0);
    }
  }

  /** Paths begin with the version of the API that the client would like. */
  private static String whatAnOldEngineSays(HttpExchange exchange) {
    String path = exchange.getRequestURI().getPath();
    if (path.endsWith("/version")) {
      return "{\"Version\": \"19.03.15\", \"ApiVersion\": \"1.40\"}";
    }
    return path.endsWith("/info") ? "{\"MemTotal\": 1073741824}" : "{}";
  }

  private static void answer(HttpExchange exchange, String json) throws IOException {
    byte[] body = json.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "application/json");
    exchange.sendResponseHeaders(200, body.length);
    try (OutputStream out = exchange.getResponseBody()) {
      out.write(body);
    }
  }

  /** What a test JVM says that finds this engine, and no other. */
  private String complaintOf(String engine) throws Exception {
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
    builder.environment().put("DOCKER_HOST", engine);
    Process process = builder.redirectOutput(output.toFile()).start();
    try {
      assertTrue(process.waitFor(120, TimeUnit.SECONDS), "still trying");
    } finally {
      process.destroyForcibly();
    }
    String text = read(output);
    assertEquals(1, process.exitValue(), text);
    return text;
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
