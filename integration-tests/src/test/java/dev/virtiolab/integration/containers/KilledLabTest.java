package dev.virtiolab.integration.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.github.dockerjava.api.model.Capability;
import com.github.dockerjava.api.model.Device;
import dev.virtiolab.integration.containers.Docker.Subnet;
import dev.virtiolab.integration.kit.DockerEngine;
import dev.virtiolab.testkit.containers.Engine;
import dev.virtiolab.testkit.containers.Owned;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.testcontainers.containers.Container.ExecResult;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.lifecycle.Startables;
import org.testcontainers.utility.DockerImageName;

/**
 * {@code kill -9} of one of two labs while iperf3 runs across both. The containers outlive the labs
 * in them, so that it is seen what is left.
 */
@Timeout(180)
class KilledLabTest {
  private static Subnet subnet;
  private static GenericContainer<?> server;
  private static GenericContainer<?> client;

  @BeforeAll
  static void startThem() {
    DockerEngine.require();
    subnet = Subnet.make(1500);
    server = subnet.place(host(), TwoLabs.LEFT_HOST);
    client = subnet.place(host(), TwoLabs.RIGHT_HOST);
    Startables.deepStart(server, client).join();
  }

  /** The lab's image, with nothing running in it. */
  private static GenericContainer<?> host() {
    return Owned.container(new GenericContainer<>(DockerImageName.parse(Engine.image())))
        .withCreateContainerCmdModifier(
            command -> {
              command.withEntrypoint("tini", "--", "sleep", "infinity").withCmd();
              command
                  .getHostConfig()
                  .withCapAdd(Capability.NET_ADMIN)
                  .withDevices(Device.parse("/dev/net/tun"));
            });
  }

  @AfterAll
  static void stopThem() {
    if (subnet != null) {
      server.stop();
      client.stop();
      subnet.close();
    }
  }

  /** For a test that failed in the middle. */
  @AfterEach
  void killWhatIsLeft() {
    for (GenericContainer<?> container : List.of(server, client)) {
      for (String lab : processes(container, "java")) {
        Docker.attempt(container, "sh", "-c", "kill -9 " + lab.split(" ", 2)[0]);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"stream", "vxlan"})
  void theClientSaysInOneLineThatTheServerIsGoneAndNothingIsLeft(String wire) throws Exception {
    CompletableFuture<ExecResult> killed = serve(wire);
    CompletableFuture<ExecResult> running = measure(wire, "60", "--patience", "4");
    awaitTraffic();
    killTheLabIn(server);
    assertEquals(137, killed.get(60, TimeUnit.SECONDS).getExitCode());
    assertNothingLeft(server);

    ExecResult end = running.get(60, TimeUnit.SECONDS);
    assertEquals(1, end.getExitCode(), () -> end.getStdout() + end.getStderr());
    // Beside it there may be the line that the first frame into the void is worth.
    List<String> said =
        end.getStderr().lines().filter(line -> !line.startsWith("vlab: dropped: ")).toList();
    assertEquals(1, said.size(), end::getStderr);
    assertTrue(said.getFirst().startsWith("vlab: "), end::getStderr);
    assertTrue(said.getFirst().contains(wire + ":"), end::getStderr);
    assertNothingLeft(client);

    // The same again, as if nothing had been.
    CompletableFuture<ExecResult> again = serve(wire);
    Docker.ending(measure(wire, "1"), Docker.SOON);
    killTheLabIn(server);
    again.get(60, TimeUnit.SECONDS);
    assertNothingLeft(server);
  }

  @Test
  void theServerStartsOverWhenItsClientIsKilled() throws Exception {
    String wire = "stream";
    CompletableFuture<ExecResult> serving = serve(wire);
    CompletableFuture<ExecResult> killed = measure(wire, "60");
    awaitTraffic();
    killTheLabIn(client);
    assertEquals(137, killed.get(60, TimeUnit.SECONDS).getExitCode());
    assertNothingLeft(client);

    // It is busy with the one that is gone until its patience is at an end.
    Docker.await(
        "the server serves another client",
        () -> {
          assertFalse(serving.isDone(), () -> serving.join().getStderr());
          return measure(wire, "1").join().getExitCode() == 0;
        });
    assertNothingLeft(client);
    killTheLabIn(server);
    serving.get(60, TimeUnit.SECONDS);
    assertNothingLeft(server);
  }

  private static CompletableFuture<ExecResult> serve(String wire) {
    CompletableFuture<ExecResult> serving =
        Docker.begin(
            server,
            "entry",
            "iperf",
            "--server",
            "--here",
            "--patience",
            "4",
            "--backend",
            wire.equals("stream")
                ? "stream:listen:0.0.0.0:7001"
                : "vxlan:%s,vni=7,peer=%s".formatted(address(true), address(false)));
    Docker.await(
        "iperf3 listens",
        () -> {
          assertFalse(serving.isDone(), () -> serving.join().getStderr());
          return !Docker.run(server, "ss", "-Hltn", "sport = :5201").isBlank();
        });
    return serving;
  }

  private static CompletableFuture<ExecResult> measure(
      String wire, String seconds, String... more) {
    List<String> command =
        new ArrayList<>(
            List.of(
                "entry",
                "iperf",
                "--here",
                "-t",
                seconds,
                "--backend",
                wire.equals("stream")
                    ? "stream:" + address(true) + ":7001"
                    : "vxlan:%s,vni=7,peer=%s".formatted(address(false), address(true))));
    command.addAll(List.of(more));
    return Docker.begin(client, command.toArray(String[]::new));
  }

  private static String address(boolean ofServer) {
    return subnet.address(ofServer ? TwoLabs.LEFT_HOST : TwoLabs.RIGHT_HOST);
  }

  private static void awaitTraffic() {
    Docker.await(
        "a megabyte is across",
        () -> {
          ExecResult bytes =
              Docker.attempt(server, "sh", "-c", "cat /sys/class/net/tap*/statistics/rx_bytes");
          return bytes.getExitCode() == 0 && Long.parseLong(bytes.getStdout().strip()) > 1 << 20;
        });
  }

  private static void killTheLabIn(GenericContainer<?> container) {
    List<String> labs = processes(container, "java");
    assertEquals(1, labs.size(), labs::toString);
    Docker.shell(container, "kill -9 " + labs.getFirst().split(" ", 2)[0]);
  }

  /** No process of the lab or of what it started, and no interface of its own. */
  private static void assertNothingLeft(GenericContainer<?> container) {
    Docker.await(
        "nothing is left",
        () -> processes(container, "java").isEmpty() && processes(container, "iperf3").isEmpty());
    String interfaces = Docker.run(container, "ls", "/sys/class/net");
    assertEquals("eth0 lo", interfaces.lines().sorted().collect(Collectors.joining(" ")));
  }

  /** Those that run a program, as a number and the program's name. */
  private static List<String> processes(GenericContainer<?> container, String program) {
    String all =
        Docker.run(
            container,
            "sh",
            "-c",
            "for each in /proc/[0-9]*; do"
                + " { read -r name <$each/comm && echo ${each#/proc/} $name; } 2>/dev/null; done; true");
    return all.lines().filter(line -> line.endsWith(" " + program)).toList();
  }
}
