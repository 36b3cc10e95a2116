package com.example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.socket.GuestSocket;
import dev.virtiolab.testkit.Guest;
import dev.virtiolab.testkit.GuestSpec;
import dev.virtiolab.testkit.Lab;
import dev.virtiolab.testkit.PingReport;
import dev.virtiolab.testkit.containers.Engine;
import dev.virtiolab.testkit.containers.NetworkCable;
import dev.virtiolab.testkit.containers.Owned;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
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

  private static String addressOfPeer() {
    return peer.getContainerInfo().getNetworkSettings().getNetworks().values().iterator().next()
        .getIpAddress();
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
    String address = addressOfPeer();
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

  @Test
  void theGuestFetchesAPageFromTheContainerInSpiteOfLoss() throws Exception {
    ExecResult server =
        peer.execInContainer(
            "sh", "-c", "mkdir /tmp/www && seq 20000 >/tmp/www/page && busybox httpd -p 8080 -h /tmp/www");
    assertEquals(0, server.getExitCode(), server.getStderr());
    String page = IntStream.rangeClosed(1, 20_000).mapToObj(n -> n + "\n").collect(Collectors.joining());
    try (Lab lab = Lab.start(GuestSpec.named("guest").wiredTo(NetworkCable.into(network)))) {
      Guest guest = lab.guest();
      guest.awaitReachable(addressOfPeer(), Duration.ofSeconds(60));
      guest.wire().loss(0.02);

      Ipv4Address address = Ipv4Address.parse(addressOfPeer());
      try (GuestSocket socket = guest.tcp().connect(address, 8080, Duration.ofSeconds(60))) {
        socket.output().write("GET /page HTTP/1.0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
        String answer = new String(socket.input().readAllBytes(), StandardCharsets.US_ASCII);
        assertTrue(answer.contains(" 200 OK"), answer);
        assertTrue(answer.endsWith("\r\n\r\n" + page), "a page of " + answer.length() + " bytes");
      }
    }
  }
}
