package com.example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.testkit.Guest;
import dev.virtiolab.testkit.GuestSpec;
import dev.virtiolab.testkit.Lab;
import dev.virtiolab.testkit.PingReport;
import dev.virtiolab.testkit.containers.Engine;
import dev.virtiolab.testkit.containers.NetworkCable;
import dev.virtiolab.testkit.containers.Owned;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.testcontainers.containers.Container.ExecResult;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.Network;

/** A guest of this JVM on a container network. */
class ContainerTest {
  private static final String PEER_IMAGE =
      System.getenv().getOrDefault("VIRTIO_LAB_PEER_IMAGE", "virtio-lab/peer");

  private static Network network;
  private static GenericContainer<?> peer;

  @BeforeAll
  static void startThePeer() {
    Engine.obstacle().ifPresent(Assumptions::abort);
    network = Owned.network();
    peer = Owned.container(new GenericContainer<>(PEER_IMAGE)).withNetwork(network);
    peer.start();
  }

  @AfterAll
  static void stopIt() {
    if (peer != null) {
      peer.stop();
      network.close();
    }
  }

  @Test
  void guestAndContainerPingEachOtherAndTheGuestBearsLoss() throws Exception {
    String address =
        peer.getContainerInfo().getNetworkSettings().getNetworks().values().iterator().next()
            .getIpAddress();
    try (Lab lab = Lab.start(GuestSpec.named("guest").wiredTo(NetworkCable.into(network)))) {
      Guest guest = lab.guest();
      guest.awaitReachable(address, Duration.ofSeconds(60));

      ExecResult back = peer.execInContainer("ping", "-c", "3", guest.address().toString());
      assertEquals(0, back.getExitCode(), back.getStdout());

      guest.wire().loss(0.02);
      PingReport report =
          guest.ping(address, ping -> ping.count(100).patience(Duration.ofSeconds(10)));
      assertEquals(guest.wire().journal().droppedPings(), report.lost(), report::toString);
      assertTrue(report.answered().size() > 80, report::toString);
    }
  }
}
