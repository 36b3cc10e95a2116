package dev.virtiolab.integration.docker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two hosts with VXLAN between their labs. */
class ComposeTest {
  private static final String NET = "198.18.20";

  @TempDir Path folder;

  private final String project = Docker.newName("compose");
  private Docker docker;

  @BeforeEach
  void open() {
    docker = Docker.open();
    if (Docker.run("docker", "compose", "version").exitCode() != 0) {
      Requirements.assumeProgram("docker-compose", "docker-compose");
    }
  }

  @AfterEach
  void close() {
    if (docker != null) {
      docker.close();
    }
  }

  @Test
  void twoHostsPingAndIperfEachOtherAndNothingIsLeft() throws IOException {
    Docker.Ended up = up(compose("{SECONDS_EACH: 1}", "{SECONDS_EACH: 1}", NET + ".2"));
    up.orFail();
    assertEquals(2, count("4 packets transmitted, 4 received", up.out()), up.out());
    assertEquals(2, count("iperf Done.", up.out()), up.out());
    assertTrue(up.out().contains("--- client: done"), up.out());
    assertNothingLeft();
  }

  @Test
  void aClientThatFindsNobodyFailsAndSaysWhom() throws IOException {
    Docker.Ended up = up(compose("{PATIENCE: 300}", "{PATIENCE: 2}", NET + ".9"));
    assertNotEquals(0, up.exitCode(), up.out());
    assertTrue(
        up.out().contains("client: the other host's guest at " + NET + ".9 did not answer"),
        up.out());
    assertNothingLeft();
  }

  @Test
  void aServerThatNeverGetsReadyFailsTheRun() throws IOException {
    Path file = folder.resolve("broken.yaml");
    Files.writeString(
        file,
        """
        services:
          server:
            command: [up, --backend, "dgram:127.0.0.1:7001,127.0.0.1:7002"]
            healthcheck: {test: [CMD, "false"], interval: 1s, timeout: 5s, retries: 2}
        """);
    Docker.Ended up = up(file);
    assertNotEquals(0, up.exitCode(), up.out());
    assertTrue(up.out().toLowerCase(java.util.Locale.ROOT).contains("unhealthy"), up.out());
    assertNothingLeft();
  }

  /** The compose file with more of its two hosts. */
  private Path compose(String server, String client, String clientSeeks) throws IOException {
    Path file = folder.resolve("more.yaml");
    return Files.writeString(
        file,
        """
        services:
          server: {environment: %s}
          client:
            environment: %s
            command: [two-hosts, client, "%s.3", "%s"]
        """
            .formatted(server, client, NET, clientSeeks));
  }

  private Docker.Ended up(Path more) {
    List<String> command = new ArrayList<>(List.of("./up", "-p", project));
    command.addAll(List.of("-f", "compose.yaml", "-f", more.toString()));
    return Docker.run(command, Map.of("VLAB_NET", NET));
  }

  private void assertNothingLeft() {
    String label = "label=com.docker.compose.project=" + project;
    assertEquals("", Docker.run("docker", "ps", "-aq", "--filter", label).out());
    assertEquals("", Docker.run("docker", "network", "ls", "-q", "--filter", label).out());
  }

  private static int count(String words, String text) {
    return text.split(java.util.regex.Pattern.quote(words), -1).length - 1;
  }
}
