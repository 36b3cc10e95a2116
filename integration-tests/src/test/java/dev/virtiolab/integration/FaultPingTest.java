package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.posix.fixture.Requirements;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code vlab ping} over a wire with faults, and what {@code --metrics} shows of it. */
class FaultPingTest {
  private static final int COUNT = 100;

  @BeforeEach
  void requireATapAndPing() {
    Requirements.assumeTap();
    Requirements.assumeProgram("ping", "iputils-ping");
    Requirements.assumeProgram("ip", "iproute2");
  }

  @Test
  void exactlyThePingsThatTheReportNamesAreMissing() {
    try (Vlab vlab = Vlab.asMyself()) {
      Vlab.Ended ended =
          vlab.run(
              "ping",
              "--fault",
              "loss=10%,delay=1ms,reorder=10%/5ms",
              "--seed",
              "7",
              "--count",
              Integer.toString(COUNT),
              "--",
              "-i",
              "0.01");

      assertEquals(1, ended.exitCode(), ended.err());
      Set<Integer> answered = new TreeSet<>();
      Matcher reply = Pattern.compile("bytes from .* icmp_seq=(\\d+) ").matcher(ended.out());
      while (reply.find()) {
        answered.add(Integer.valueOf(reply.group(1)));
      }
      Set<Integer> dropped = new TreeSet<>();
      Matcher line = Pattern.compile("dropped \\w+: icmp_seq ([\\d ]+)").matcher(ended.out());
      while (line.find()) {
        for (String number : line.group(1).strip().split(" ")) {
          dropped.add(Integer.valueOf(number));
        }
      }
      Set<Integer> all = new TreeSet<>(answered);
      all.addAll(dropped);
      assertTrue(dropped.size() > 5, ended.out());
      assertEquals(COUNT, all.size(), ended.out());
      assertEquals(COUNT, answered.size() + dropped.size(), ended.out());
      vlab.assertNothingLeft();
    }
  }

  @Test
  void aDelayIsSeenByPing() {
    try (Vlab vlab = Vlab.asMyself()) {
      Vlab.Ended ended =
          vlab.run("ping", "--json", "--fault", "delay=20ms", "--count", "5", "--", "-i", "0.05");

      assertEquals(0, ended.exitCode(), ended.err());
      JsonNode report = JsonMapper.shared().readTree(ended.out());
      assertTrue(report.at("/ping/rtt_min_ms").asDouble() >= 40, ended.out());
      assertTrue(report.at("/faults/to_guest/frames").asLong() >= 6, ended.out());
      assertEquals(0, report.at("/faults/to_guest/lost").asLong(), ended.out());
    }
  }

  @Test
  void metricsAreReachedFromOutsideTheLabsNetwork() throws IOException {
    try (Vlab vlab = Vlab.asMyself()) {
      int port = freePort();
      vlab.start("up", "--metrics", Integer.toString(port), "--fault", "in:delay=1ms");
      vlab.awaitOutput("Ctrl-C");

      String page = get(port);
      assertTrue(page.contains("\nvirtiolab_wire_up 1\n"), page);
      assertTrue(page.contains("virtiolab_queue_offered_buffers{queue=\"receive\"} "), page);
      assertTrue(page.contains("virtiolab_fault_waiting_frames{direction=\"to_guest\"} "), page);
      vlab.interrupt();
      Vlab.Ended ended = vlab.await();
      assertEquals(130, ended.exitCode(), ended.err());
      assertTrue(ended.err().contains("metrics at http://127.0.0.1:" + port + "/metrics"));
      vlab.assertNothingLeft();
    }
  }

  @Test
  void aPortThatIsTakenIsSaidInOneLine() throws IOException {
    try (Vlab vlab = Vlab.asMyself();
        ServerSocket taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      assertRefused(
          vlab.run("ping", "--metrics", Integer.toString(taken.getLocalPort())), "in use");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "--metrics, host.invalid:9100, no address is known",
    "--metrics, 198.51.100.1:9100, assign",
    "--metrics, 127.0.0.1:, '[HOST:]PORT'",
    "--metrics, 65536, '[HOST:]PORT'",
    "--fault, loss=150%, probability",
    "--fault, lose=1%, no such fault",
  })
  void whatCannotBeIsSaidInOneLine(String option, String value, String why) {
    try (Vlab vlab = Vlab.asMyself()) {
      assertRefused(vlab.run("ping", option, value), why);
    }
  }

  private static void assertRefused(Vlab.Ended ended, String why) {
    assertEquals(2, ended.exitCode(), ended.err());
    assertEquals(1, ended.err().lines().count(), ended.err());
    assertTrue(ended.err().contains(why), ended.err());
    assertEquals("", ended.out());
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }

  private static String get(int port) throws IOException {
    try (InputStream page =
        URI.create("http://127.0.0.1:" + port + "/metrics").toURL().openStream()) {
      return new String(page.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
