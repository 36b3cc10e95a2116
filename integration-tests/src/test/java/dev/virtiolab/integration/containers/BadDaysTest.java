package dev.virtiolab.integration.containers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.github.dockerjava.api.DockerClient;
import com.github.dockerjava.api.model.ContainerNetwork;
import dev.virtiolab.integration.containers.TwoLabs.LabWire;
import dev.virtiolab.integration.kit.DockerEngine;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.containers.Container.ExecResult;
import org.testcontainers.containers.GenericContainer;

/** Two labs whose network goes and comes back, and whose time stands still and jumps. */
@Timeout(180)
class BadDaysTest {
  private static final int PORT = 9000;
  private static final int BYTES = 12_000_000;

  /** How long it lasts: several retransmission timeouts (RFC 6298). */
  private static final Duration OUTAGE = Duration.ofSeconds(2);

  private static TwoLabs labs;

  @BeforeAll
  static void start(@TempDir Path folder) {
    DockerEngine.require();
    // Slow enough that a transfer is under way for a while: 12 MB at 32 Mbit/s are three seconds.
    labs = TwoLabs.start(LabWire.VXLAN, folder, "--fault", "out:rate=32mbit");
  }

  @AfterAll
  static void stop() {
    if (labs != null) {
      labs.close();
    }
  }

  private static DockerClient engine() {
    return DockerClientFactory.instance().client();
  }

  /** {@code docker network disconnect}, and {@code connect} with the same address. */
  @Test
  void tcpOutlivesANetworkThatIsTakenAwayAndGivenBack() throws Exception {
    transferAcross(
        () -> {
          engine()
              .disconnectFromNetworkCmd()
              .withNetworkId(labs.subnet.network().getId())
              .withContainerId(labs.right.getContainerId())
              .exec();
          assertEquals(
              1, Docker.attempt(labs.right, "test", "-e", "/sys/class/net/eth0").getExitCode());
        },
        () ->
            engine()
                .connectToNetworkCmd()
                .withNetworkId(labs.subnet.network().getId())
                .withContainerId(labs.right.getContainerId())
                .withContainerNetwork(
                    new ContainerNetwork()
                        .withIpamConfig(
                            new ContainerNetwork.Ipam()
                                .withIpv4Address(labs.subnet.address(TwoLabs.RIGHT_HOST))))
                .exec());
  }

  /**
   * The lab is stopped and goes on: to its threads, and to the clocks by which its guest and its
   * wire go, it is a jump of seconds. As {@code docker pause} does it, but by a signal: the freezer
   * of control groups v1 gives up on a container that is busy.
   */
  @Test
  void tcpAndPingOutliveAJumpOfTheLabsClock() throws Exception {
    CompletableFuture<ExecResult> pings =
        Docker.begin(labs.leftTools, "ping", "-i", "0.1", "-w", "8", "-W", "10", TwoLabs.RIGHT);
    transferAcross(() -> signalLab(labs.right, "STOP"), () -> signalLab(labs.right, "CONT"));
    String text = Docker.ending(pings, Docker.SOON);
    assertTrue(received(text) > 10, text);
  }

  private static void signalLab(GenericContainer<?> container, String signal) {
    Docker.shell(
        container,
        "for each in /proc/[0-9]*; do"
            + " if [ \"$(cat $each/comm)\" = java ]; then kill -"
            + signal
            + " ${each#/proc/} && echo signalled; fi; done | grep -q signalled");
  }

  private static int received(String text) {
    String[] words = text.substring(0, text.indexOf(" received")).split("[ ,\n]+");
    return Integer.parseInt(words[words.length - 1]);
  }

  /**
   * Sends from left to right by the kernels' TCP, in the middle of which {@code away} happens, and
   * after a while {@code back}.
   */
  private static void transferAcross(Runnable away, Runnable back) throws Exception {
    Docker.run(labs.rightTools, "rm", "-f", "/tmp/got");
    CompletableFuture<ExecResult> receiver =
        Docker.begin(
            labs.rightTools,
            "timeout",
            "120",
            "socat",
            "-u",
            "TCP-LISTEN:" + PORT + ",reuseaddr",
            "CREATE:/tmp/got");
    Docker.awaitListener(labs.rightTools, PORT);
    Docker.shell(labs.leftTools, "head -c " + BYTES + " /dev/urandom >/tmp/sent");
    CompletableFuture<ExecResult> sender =
        Docker.begin(
            labs.leftTools,
            "timeout",
            "120",
            "socat",
            "-u",
            "FILE:/tmp/sent",
            "TCP:" + TwoLabs.RIGHT + ":" + PORT);
    Docker.await("a part has come", () -> Docker.sizeOf(labs.rightTools, "/tmp/got") > BYTES / 10);
    away.run();
    long[] lastSeen = {-1, System.nanoTime()};
    Docker.await(
        "nothing has come for a while",
        () -> {
          long size = Docker.sizeOf(labs.rightTools, "/tmp/got");
          if (size != lastSeen[0]) {
            lastSeen[0] = size;
            lastSeen[1] = System.nanoTime();
          }
          return System.nanoTime() - lastSeen[1] > OUTAGE.toNanos();
        });
    assertTrue(lastSeen[0] < BYTES, "all had come before");
    back.run();
    sender.get(120, TimeUnit.SECONDS);
    Docker.ending(sender, Docker.SOON);
    Docker.ending(receiver, Docker.SOON);
    assertEquals(
        Docker.run(labs.leftTools, "sha256sum", "/tmp/sent").substring(0, 64),
        Docker.run(labs.rightTools, "sha256sum", "/tmp/got").substring(0, 64));
    assertTrue(
        Docker.run(labs.left, "ping", "-c", "3", "-i", "0.1", TwoLabs.RIGHT)
            .contains(" 3 received"));
  }
}
