package dev.virtiolab.integration.containers;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.github.dockerjava.api.model.Device;
import dev.virtiolab.integration.kit.DockerEngine;
import dev.virtiolab.testkit.Guest;
import dev.virtiolab.testkit.GuestSpec;
import dev.virtiolab.testkit.Lab;
import dev.virtiolab.testkit.PingReport;
import dev.virtiolab.testkit.containers.LabContainer;
import dev.virtiolab.testkit.containers.NetworkCable;
import dev.virtiolab.testkit.containers.Owned;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.containers.ContainerLaunchException;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.Network;

/** Containers that lack something, and labs that run beside each other. */
@Timeout(180)
class BadContainerTest {
  private static Network network;

  @BeforeAll
  static void makeANetwork() {
    DockerEngine.require();
    network = Owned.network();
    network.getId();
  }

  @AfterAll
  static void removeIt() {
    if (network != null) {
      network.close();
    }
  }

  @Test
  void withoutTheTunDeviceTheCableAndTheLabSayWhatToGive() {
    refused(
        withoutTun(NetworkCable.into(network)), "/dev/net/tun is missing", "--device /dev/net/tun");
    refused(
        withoutTun(
            LabContainer.iperfServer("--backend", "stream:listen:0.0.0.0:7001")
                .withNetwork(network)),
        "/dev/net/tun");
  }

  private static <C extends GenericContainer<?>> C withoutTun(C container) {
    container.withCreateContainerCmdModifier(
        command -> command.getHostConfig().withDevices(List.<Device>of()));
    return container;
  }

  @Test
  void withoutNetAdminTheLabSaysWhatToGive() {
    refused(
        LabContainer.iperfServer("--backend", "stream:listen:0.0.0.0:7001")
            .withoutNetAdmin()
            .withNetwork(network),
        "--cap-add NET_ADMIN");
  }

  @Test
  void anOptionThatCannotBeIsSaidInItsOwnLine() {
    refused(
        LabContainer.up("--backend", "stream:nowhere.invalid").withNetwork(network),
        "exit code 2",
        "stream:nowhere.invalid");
  }

  /** One that runs, and never says what is waited for. */
  @Test
  void oneThatNeverGetsReadyIsGivenUpWithItsLastWords() {
    LabContainer never = LabContainer.up("--backend", "stream:listen:0.0.0.0:7001");
    never.withNetwork(network).withStartupTimeout(Duration.ofSeconds(5));
    never.withCreateContainerCmdModifier(
        command ->
            command.withEntrypoint("sh", "-c", "echo waiting for nobody; exec sleep 300", "sh"));
    refused(never, "waiting for nobody");
  }

  private static void refused(GenericContainer<?> container, String... words) {
    ContainerLaunchException failure =
        assertThrows(ContainerLaunchException.class, container::start);
    for (String word : words) {
      assertTrue(failure.getMessage().contains(word), failure::getMessage);
    }
    assertFalse(container.isRunning());
    Docker.await(
        "no container is left",
        () ->
            DockerClientFactory.instance()
                .client()
                .listContainersCmd()
                .withShowAll(true)
                .withNetworkFilter(List.of(network.getId()))
                .exec()
                .isEmpty());
  }

  /** Two labs of one JVM, on one network, at the same time: neither is in the other's way. */
  @Test
  void twoLabsOfOneProcessRunBesideEachOther() throws Exception {
    CompletableFuture<PingReport> one = CompletableFuture.supplyAsync(this::labOfItsOwn);
    CompletableFuture<PingReport> other = CompletableFuture.supplyAsync(this::labOfItsOwn);
    PingReport first = one.get(120, TimeUnit.SECONDS);
    PingReport second = other.get(120, TimeUnit.SECONDS);
    assertTrue(first.isComplete(), first::toString);
    assertTrue(second.isComplete(), second::toString);
    assertNotEquals(first.target(), second.target());
  }

  /** Two guests, each with a cable of its own. */
  private PingReport labOfItsOwn() {
    try (Lab lab =
        Lab.start(
            GuestSpec.named("alice").wiredTo(NetworkCable.into(network)),
            GuestSpec.named("bob").wiredTo(NetworkCable.into(network)))) {
      Guest bob = lab.guest("bob");
      Guest alice = lab.guest("alice");
      alice.await("an answer", Docker.SOON, guest -> guest.ping(bob).isComplete());
      return alice.ping(bob, ping -> ping.count(20));
    }
  }
}
