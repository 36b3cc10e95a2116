package dev.virtiolab.integration.kit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.testkit.Guest;
import dev.virtiolab.testkit.GuestSpec;
import dev.virtiolab.testkit.Lab;
import dev.virtiolab.testkit.PingReport;
import dev.virtiolab.testkit.containers.LabContainer;
import dev.virtiolab.testkit.containers.NetworkCable;
import dev.virtiolab.testkit.containers.Owned;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.containers.Container.ExecResult;
import org.testcontainers.containers.ContainerLaunchException;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.Network;
import org.testcontainers.utility.DockerImageName;

/** Guests of this JVM on container networks, and labs in containers. */
class CableTest {
  private static final Duration SOON = Duration.ofSeconds(60);

  private static Network network;
  private static GenericContainer<?> peer;

  @BeforeAll
  static void startAPeer() {
    DockerEngine.require();
    network = Owned.network();
    peer = peer().withNetwork(network);
    peer.start();
  }

  @AfterAll
  static void stopIt() {
    if (peer != null) {
      peer.stop();
      network.close();
    }
  }

  private static GenericContainer<?> peer() {
    return Owned.container(new GenericContainer<>(DockerImageName.parse(DockerEngine.peerImage())));
  }

  private static String addressOf(GenericContainer<?> container) {
    return container.getContainerInfo().getNetworkSettings().getNetworks().values().stream()
        .findFirst()
        .orElseThrow()
        .getIpAddress();
  }

  @Test
  void aGuestOnAContainerNetworkIsAStationLikeAnyOther() throws Exception {
    NetworkCable cable = NetworkCable.into(network);
    try (Lab lab = Lab.start(GuestSpec.named("guest").wiredTo(cable))) {
      Guest guest = lab.guest();
      guest.awaitReachable(addressOf(peer), SOON);
      ExecResult back =
          peer.execInContainer("ping", "-c", "3", "-i", "0.2", guest.address().toString());
      assertEquals(0, back.getExitCode(), back.getStdout() + back.getStderr());

      // Faults, journal and counters are this JVM's.
      guest.wire().loss(0.3);
      PingReport report =
          guest.ping(addressOf(peer), ping -> ping.count(60).interval(Duration.ofMillis(5)));
      assertEquals(guest.wire().journal().droppedPings(), report.lost(), report::toString);
      assertTrue(report.lost().size() > 5, report::toString);
    }
    assertFalse(cable.isRunning(), "the cable is left");
  }

  @Test
  void twoGuestsOnOneNetworkHaveAnAddressEach() {
    try (Lab one = Lab.start(GuestSpec.named("one").wiredTo(NetworkCable.into(network)));
        Lab other = Lab.start(GuestSpec.named("other").wiredTo(NetworkCable.into(network)))) {
      one.guest().awaitReachable(other.guest(), SOON);
      PingReport report =
          one.guest().ping(other.guest(), ping -> ping.patience(Duration.ofSeconds(20)));
      assertTrue(report.isComplete(), report::toString);
    }
  }

  @Test
  void aGuestBesideAContainerIsAloneWithIt() throws Exception {
    NetworkCable cable = NetworkCable.beside(peer, "10.9.0.1/24");
    try (Lab lab = Lab.start(GuestSpec.named("guest").wiredTo(cable))) {
      assertEquals("10.9.0.2", lab.guest().address().toString());
      lab.guest().awaitReachable("10.9.0.1", SOON);
      ExecResult back = peer.execInContainer("ping", "-c", "1", "10.9.0.2");
      assertEquals(0, back.getExitCode(), back.getStdout() + back.getStderr());
    }
    ExecResult links = peer.execInContainer("ip", "-o", "link");
    assertFalse(links.getStdout().contains("vlab0"), "the TAP is left: " + links.getStdout());
  }

  @Test
  void aLabInAContainerAnswersAnotherAndTellsWhatItCounted() {
    try (LabContainer host =
        LabContainer.up("--backend", "stream:listen:0.0.0.0:7001")
            .withMetrics()
            .withoutNetAdmin()
            .withNetwork(network)
            .withNetworkAliases("host")) {
      host.start();
      try (LabContainer ping =
          LabContainer.command(
                  "ping",
                  "--backend",
                  "stream:host:7001",
                  "--guest-address",
                  "192.0.2.3",
                  "--to",
                  "192.0.2.2",
                  "--count",
                  "3")
              .withoutNetAdmin()
              .withNetwork(network)) {
        ping.start();
        assertTrue(ping.getLogs().contains("3 packets transmitted"), ping::getLogs);
      }
      long frames = host.metrics().get("virtiolab_wire_frames_total{direction=\"to_guest\"}");
      assertTrue(frames >= 3, host.metrics()::toString);
    }
  }

  // ---- what goes wrong says so

  @Test
  void aContainerThatNeverGetsReadySaysWhatItSaidLast() {
    long start = System.nanoTime();
    NetworkCable cable = NetworkCable.into(network).withoutNetAdmin();
    ContainerLaunchException failure =
        assertThrows(
            ContainerLaunchException.class,
            () -> Lab.start(GuestSpec.named("guest").wiredTo(cable)));
    assertTrue(failure.getMessage().contains("no right to administer"), failure::getMessage);
    assertTrue(failure.getMessage().contains("--cap-add NET_ADMIN"), failure::getMessage);
    assertFalse(cable.isRunning());
    assertTrue(
        Duration.ofNanos(System.nanoTime() - start).toSeconds() < 60,
        "it waited although the container had ended");
  }

  @Test
  void aCommandThatFailsSaysWhatItSaidLast() {
    try (LabContainer wrong =
        LabContainer.command("ping", "--platform", "none").withNetwork(network)) {
      ContainerLaunchException failure = assertThrows(ContainerLaunchException.class, wrong::start);
      assertTrue(failure.getMessage().contains("it ended with exit code 2"), failure::getMessage);
      assertTrue(failure.getMessage().contains("noncoherent"), failure::getMessage);
    }
  }

  @Test
  void anImageThatIsNotThereIsNamed() {
    System.setProperty("virtiolab.image", "virtio-lab/no-such-image");
    try {
      LabException failure =
          assertThrows(LabException.class, () -> NetworkCable.into(network).start());
      assertTrue(failure.getMessage().contains("virtio-lab/no-such-image"), failure::getMessage);
      assertTrue(failure.getMessage().contains("docker/build"), failure::getMessage);
    } finally {
      System.clearProperty("virtiolab.image");
    }
  }

  @Test
  void whatTheKitMakesNamesItsOwner() {
    String owner = Owned.labels().get(Owned.LABEL);
    assertTrue(owner.matches("\\d+-" + ProcessHandle.current().pid() + "-\\d+"), owner);
    assertEquals(owner, peer.getContainerInfo().getConfig().getLabels().get(Owned.LABEL));
    assertEquals(
        owner,
        DockerClientFactory.instance()
            .client()
            .inspectNetworkCmd()
            .withNetworkId(network.getId())
            .exec()
            .getLabels()
            .get(Owned.LABEL));
  }
}
