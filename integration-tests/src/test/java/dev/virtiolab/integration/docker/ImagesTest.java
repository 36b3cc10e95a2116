package dev.virtiolab.integration.docker;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What docker/README.md says of the images. */
class ImagesTest {
  private static final long MIB = 1 << 20;

  private Docker docker;

  @BeforeEach
  void open() {
    docker = Docker.open();
  }

  @AfterEach
  void close() {
    if (docker != null) {
      docker.close();
    }
  }

  @Test
  void theLabPingsAsAnOrdinaryUserWithoutAnyRight() {
    Docker.Ended ping =
        Docker.run(
            "docker",
            "run",
            "--rm",
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
            Docker.LAB,
            "ping",
            "--platform",
            "sev",
            "--count",
            "2");
    assertTrue(ping.orFail().out().contains("2 packets transmitted, 2 received"), ping.out());
  }

  @Test
  void theLabsUserIsNotRootAndHasNoCapabilityUnlessGiven() {
    assertEquals("lab", Docker.inspect(Docker.LAB, ".Config.User"));
    String box = docker.start(Docker.LAB, "up", "--backend", "dgram:127.0.0.1:7001,127.0.0.1:7002");
    docker.awaitLog(box, "Ctrl-C ends it.");
    assertEquals(List.of("1000 0000000000000000"), javaIn(box));
  }

  @Test
  void netAdminReachesTheLabAndNothingElseDoes() {
    String box =
        docker.start(
            "--cap-add", "NET_ADMIN", "--device", "/dev/net/tun", Docker.LAB, "up", "--here");
    docker.awaitLog(box, "Ctrl-C ends it.");
    assertEquals(List.of("1000 0000000000001000"), javaIn(box));
  }

  /** User and effective capabilities of each Java process. */
  private static List<String> javaIn(String box) {
    String script =
        "for p in /proc/[0-9]*; do if [ \"$(cat $p/comm)\" = java ]; then"
            + " awk '/^Uid/ {u=$2} /^CapEff/ {print u, $2}' $p/status; fi; done";
    return Docker.run("docker", "exec", box, "sh", "-c", script).orFail().out().lines().toList();
  }

  @Test
  void tiniIsTheFirstProcessAndASignalEndsTheLabInOrder() {
    String box = docker.start(Docker.LAB, "up", "--backend", "dgram:127.0.0.1:7001,127.0.0.1:7002");
    docker.awaitLog(box, "Ctrl-C ends it.");
    assertEquals("tini", Docker.run("docker", "exec", box, "cat", "/proc/1/comm").out());
    assertEquals("SIGTERM", Docker.inspect(Docker.LAB, ".Config.StopSignal"));
    Docker.run("docker", "stop", "--time", "60", box).orFail();
    assertEquals("143", Docker.inspect(box, ".State.ExitCode"));
    String printed = Docker.run("docker", "logs", box).out();
    assertTrue(printed.contains("--- virtio-net"), printed);
  }

  @Test
  void classesComeFromTheCacheThatTheImageHas() {
    Docker.Ended run =
        Docker.run(
            "docker",
            "run",
            "--rm",
            "--env",
            "VLAB_JAVA_OPTS=-Xlog:class+load",
            Docker.LAB,
            "ping",
            "-c",
            "1");
    List<String> classes =
        run.orFail().out().lines().filter(line -> line.contains(" source: ")).toList();
    long cached = classes.stream().filter(line -> line.contains("shared objects file")).count();
    assertTrue(
        classes.stream()
            .anyMatch(
                line ->
                    line.contains("dev.virtiolab.lab.Machine ")
                        && line.contains("shared objects file")),
        "the lab's own classes are not cached");
    assertTrue(
        cached * 100 > classes.size() * 85L, cached + " of " + classes.size() + " are cached");
  }

  @Test
  void theImagesAreSmall() {
    assertAll(
        () -> assertTrue(size(Docker.LAB) < 240 * MIB, "lab: " + size(Docker.LAB)),
        () -> assertTrue(size(Docker.PEER) < 140 * MIB, "peer: " + size(Docker.PEER)));
  }

  private static long size(String image) {
    return Long.parseLong(Docker.inspect(image, ".Size"));
  }

  @Test
  void thePeerHasTheUsualTools() {
    for (String tool :
        List.of("ping", "iperf3", "tcpdump", "ip", "ss", "curl", "nc", "socat", "busybox")) {
      Docker.run("docker", "run", "--rm", Docker.PEER, "sh", "-c", "command -v " + tool).orFail();
    }
  }

  @Test
  void aSecondBuildBuildsNothing() {
    Docker.Ended again = Docker.run(List.of("./build", "peer"), Map.of());
    assertEquals("virtio-lab/peer", again.orFail().out());
    assertFalse(again.out().contains("building"));
  }
}
