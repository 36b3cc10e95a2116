package dev.virtiolab.integration.docker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A guest's NIC in another process, on a container network or beside a container. */
class CableTest {
  private static final String[] RIGHTS = {"--cap-add", "NET_ADMIN", "--device", "/dev/net/tun"};

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
  void aGuestIsOnTheNetworkBesideTheContainerThatKeepsItsAddress() {
    String network = docker.network("198.18.21.0/24");
    String peer = docker.start("--network", network, Docker.PEER);
    String cable =
        docker.start(
            with(
                RIGHTS,
                "--network",
                network,
                "--ip",
                "198.18.21.7",
                Docker.LAB,
                "cable",
                "bridge"));
    docker.awaitLog(cable, "cable: ready, TAP vlab0, stream at port 7000");
    startGuest(network, "stream:198.18.21.7:7000", "198.18.21.200");
    assertPings(peer, "198.18.21.200");
    assertPings(peer, "198.18.21.7");
    // Out of its own network as before, too.
    String routes = Docker.run("docker", "exec", cable, "ip", "route").out();
    assertTrue(routes.contains("default via 198.18.21.1 dev br0"), routes);
  }

  @Test
  void aGuestIsBesideAContainerAndTheTapGoesWithTheCable() {
    String network = docker.network("198.18.22.0/24");
    String peer = docker.start("--network", network, "--ip", "198.18.22.7", Docker.PEER);
    String cable =
        docker.start(
            with(
                RIGHTS,
                "--network",
                "container:" + peer,
                Docker.LAB,
                "cable",
                "beside",
                "192.0.2.1/24",
                "--port",
                "7007"));
    docker.awaitLog(cable, "cable: ready, TAP vlab0, stream at port 7007");
    startGuest(network, "stream:198.18.22.7:7007", "192.0.2.2");
    assertPings(peer, "192.0.2.2");
    Docker.run("docker", "kill", cable).orFail();
    Docker.run("docker", "wait", cable).orFail();
    assertFalse(Docker.run("docker", "exec", peer, "ip", "link").out().contains("vlab0"));
  }

  @Test
  void whatItLacksItSays() {
    assertEquals(
        "cable: /dev/net/tun is missing: docker run --device /dev/net/tun",
        refused("--cap-add", "NET_ADMIN", Docker.LAB, "cable", "bridge"));
    assertEquals(
        "cable: no right to administer this network: docker run --cap-add NET_ADMIN",
        refused("--device", "/dev/net/tun", Docker.LAB, "cable", "bridge"));
    assertTrue(refused(Docker.LAB, "cable", "across").startsWith("cable: cable bridge | "));
    assertTrue(refused(Docker.LAB, "cable", "beside").endsWith("not: beside"));
    assertTrue(refused(Docker.LAB, "cable", "bridge", "--port", "x").endsWith("not: --port x"));
  }

  private static String refused(String... words) {
    Docker.Ended ended = Docker.run(with(new String[] {"docker", "run", "--rm"}, words));
    assertEquals(2, ended.exitCode(), ended.out());
    return ended.out();
  }

  private void startGuest(String network, String backend, String address) {
    String guest =
        docker.start(
            "--network",
            network,
            Docker.LAB,
            "up",
            "--backend",
            backend,
            "--guest-address",
            address);
    docker.awaitLog(guest, "Ctrl-C ends it.");
  }

  private static void assertPings(String from, String address) {
    Docker.run("docker", "exec", from, "ping", "-c", "3", "-W", "10", address).orFail();
  }

  private static String[] with(String[] first, String... then) {
    String[] all = java.util.Arrays.copyOf(first, first.length + then.length);
    System.arraycopy(then, 0, all, first.length, then.length);
    return all;
  }
}
