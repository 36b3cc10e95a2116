package dev.virtiolab.testkit.containers;

import dev.virtiolab.lab.LabException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLConnection;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.testcontainers.containers.startupcheck.OneShotStartupCheckStrategy;

/**
 * A whole lab in a container: {@code vlab} with whatever it can be told.
 *
 * <pre>{@code
 * LabContainer host = LabContainer.up("--backend", "stream:listen:0.0.0.0:7001")
 *     .withNetwork(network).withNetworkAliases("host");
 * LabContainer ping = LabContainer.command("ping", "--backend", "stream:host:7001", "--count", "5")
 *     .withNetwork(network);
 * }</pre>
 */
public final class LabContainer extends VlabContainer<LabContainer> {
  private static final int METRICS_PORT = 9464;
  private static final int TIMEOUT_MILLIS = 10_000;
  private static final Duration START = Duration.ofMinutes(2);

  private final List<String> words;

  private LabContainer(List<String> words) {
    this.words = new ArrayList<>(words);
  }

  /**
   * {@code vlab up}: a guest that answers until the container is stopped. It is ready when the
   * guest is up.
   *
   * @param options as the command line has them; a TAP is made in the container's own network
   *     namespace
   */
  public static LabContainer up(String... options) {
    return lasting("up", options);
  }

  /**
   * {@code vlab iperf --server}: iperf3 behind a guest's driver, until the container is stopped.
   */
  public static LabContainer iperfServer(String... options) {
    List<String> all = new ArrayList<>(List.of("--server"));
    all.addAll(List.of(options));
    return lasting("iperf", all.toArray(String[]::new));
  }

  private static LabContainer lasting(String command, String... options) {
    List<String> words = new ArrayList<>(List.of(command, "--here"));
    words.addAll(List.of(options));
    LabContainer container = new LabContainer(words);
    container.waitingFor(new ReadyLine("Ctrl-C ends it.", START, container.lastWords));
    return container;
  }

  /**
   * A command that ends by itself, such as {@code ping} or {@code iperf}: starting it waits for its
   * end, and fails with the last lines of what it said unless its exit code is 0.
   */
  public static LabContainer command(String... words) {
    LabContainer container = new LabContainer(List.of(words));
    container.withStartupCheckStrategy(
        new EndCheck(new OneShotStartupCheckStrategy().withTimeout(START), container.lastWords));
    return container;
  }

  /** Has it serve what it counts: see {@link #metrics()}. */
  public LabContainer withMetrics() {
    words.add("--metrics");
    words.add("0.0.0.0:" + METRICS_PORT);
    addExposedPort(METRICS_PORT);
    return this;
  }

  @Override
  protected void configure() {
    super.configure();
    withCommand(words.toArray(String[]::new));
  }

  /**
   * What the lab has counted, by name and labels as Prometheus' text format has them, such as
   * {@code virtiolab_wire_frames_total{direction="to_guest"}}.
   *
   * @throws LabException if it does not answer, or was not {@linkplain #withMetrics asked to}
   */
  public Map<String, Long> metrics() {
    if (!words.contains("--metrics")) {
      throw LabException.usage("a lab without metrics: call withMetrics() before it is started");
    }
    String where = "http://" + reach(METRICS_PORT) + "/metrics";
    Map<String, Long> samples = new LinkedHashMap<>();
    try {
      URLConnection connection = URI.create(where).toURL().openConnection();
      connection.setConnectTimeout(TIMEOUT_MILLIS);
      connection.setReadTimeout(TIMEOUT_MILLIS);
      try (InputStream page = connection.getInputStream()) {
        for (String line :
            new String(page.readAllBytes(), StandardCharsets.UTF_8).lines().toList()) {
          int space = line.lastIndexOf(' ');
          if (!line.startsWith("#") && space > 0) {
            samples.put(line.substring(0, space), Long.parseLong(line.substring(space + 1)));
          }
        }
      }
    } catch (IOException | NumberFormatException e) {
      throw LabException.failure(where + ": " + e.getMessage(), e);
    }
    return samples;
  }
}
