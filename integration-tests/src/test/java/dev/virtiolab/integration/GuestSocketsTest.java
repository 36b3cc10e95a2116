package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.socket.GuestDatagrams;
import dev.virtiolab.lab.socket.GuestListener;
import dev.virtiolab.lab.socket.GuestSocket;
import dev.virtiolab.net.LoopbackBackend;
import java.io.IOException;
import java.net.BindException;
import java.net.ConnectException;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a test's threads can do with the sockets of two guests: lab.socket. */
class GuestSocketsTest {
  private static final Ipv4Address NEAR = Ipv4Address.parse("192.0.2.2");
  private static final Ipv4Address FAR = Ipv4Address.parse("192.0.2.3");
  private static final Duration DEADLINE = Duration.ofSeconds(60);
  private static final int PORT = 7;
  private static final int BYTES = 2_000_000;

  @ParameterizedTest
  @EnumSource
  void bytesCrossBothWaysAtOnce(PlatformKind platform) throws Exception {
    LoopbackBackend.Pair wire = LoopbackBackend.pair(64, 1514);
    try (Machine here = Machine.start(MachineConfig.of(platform), wire.left(), NEAR);
        Machine there = Machine.start(MachineConfig.of(PlatformKind.PC), wire.right(), FAR);
        GuestListener listener = there.tcp().listen(PORT);
        ExecutorService threads = Executors.newFixedThreadPool(3);
        GuestSocket client = here.tcp().connect(FAR, PORT, DEADLINE);
        GuestSocket server = listener.accept(DEADLINE)) {
      byte[] up = new byte[BYTES];
      byte[] down = new byte[BYTES / 2];
      new SplittableRandom(1).nextBytes(up);
      new SplittableRandom(2).nextBytes(down);
      Future<byte[]> atServer = threads.submit(() -> server.input().readAllBytes());
      Future<byte[]> atClient = threads.submit(() -> client.input().readAllBytes());
      Future<?> sent =
          threads.submit(
              () -> {
                server.output().write(down);
                server.shutdownOutput();
                return null;
              });
      client.output().write(up);
      client.output().close();
      sent.get();
      assertArrayEquals(up, atServer.get());
      assertArrayEquals(down, atClient.get());
    }
  }

  @Test
  void aStreamSurvivesResetsOfTheNicInItsMiddle() throws Exception {
    LoopbackBackend.Pair wire = LoopbackBackend.pair(64, 1514);
    MachineConfig config = MachineConfig.of(PlatformKind.PC);
    try (Machine here = Machine.start(config, wire.left(), NEAR);
        Machine there = Machine.start(config.neighbour(), wire.right(), FAR);
        GuestListener listener = there.tcp().listen(PORT);
        ExecutorService threads = Executors.newFixedThreadPool(1);
        GuestSocket client = here.tcp().connect(FAR, PORT, DEADLINE);
        GuestSocket server = listener.accept(DEADLINE)) {
      byte[] up = new byte[BYTES];
      new SplittableRandom(1).nextBytes(up);
      Future<byte[]> received = threads.submit(() -> server.input().readAllBytes());
      for (int at = 0; at < BYTES; at += BYTES / 10) {
        client.output().write(up, at, BYTES / 10);
        Machine reset = at / (BYTES / 10) % 2 == 0 ? here : there;
        assertEquals(
            EfiStatus.SUCCESS, reset.guest().<EfiStatus>ask(firmware -> firmware.stack().reset()));
      }
      client.shutdownOutput();
      assertArrayEquals(up, received.get());
    }
  }

  @Test
  void errorsAreThoseOfJavaNet() throws IOException {
    LoopbackBackend.Pair wire = LoopbackBackend.pair(64, 1514);
    MachineConfig config = MachineConfig.of(PlatformKind.PC);
    try (Machine here = Machine.start(config, wire.left(), NEAR)) {
      try (Machine there = Machine.start(config.neighbour(), wire.right(), FAR);
          GuestListener listener = there.tcp().listen(PORT)) {
        assertThrows(BindException.class, () -> there.tcp().listen(PORT));
        assertThrows(SocketTimeoutException.class, () -> listener.accept(Duration.ofMillis(10)));
        ConnectException refused =
            assertThrows(ConnectException.class, () -> here.tcp().connect(FAR, 9, DEADLINE));
        assertEquals("192.0.2.3:9: connection refused", refused.getMessage());
        assertThrows(IllegalArgumentException.class, () -> here.tcp().connect(NEAR, 9, DEADLINE));

        GuestSocket client = here.tcp().connect(FAR, PORT, DEADLINE);
        GuestSocket server = listener.accept(DEADLINE);
        assertEquals(NEAR, server.remoteAddress());
        assertEquals(client.localPort(), server.remotePort());
        client.timeout(Duration.ofMillis(20));
        assertThrows(SocketTimeoutException.class, () -> client.input().read());
        // Both buffers together are half a MiB: it cannot take more.
        assertThrows(SocketTimeoutException.class, () -> client.output().write(new byte[1 << 20]));
        server.abort();
        client.timeout(DEADLINE);
        SocketException reset =
            assertThrows(SocketException.class, () -> client.output().write(new byte[1 << 20]));
        assertEquals("connection reset by the peer", reset.getMessage());
        assertThrows(SocketException.class, () -> client.input().read());
        assertEquals("CLOSED", client.state());
        client.close();
        assertThrows(SocketException.class, () -> client.input().read());
      }
      assertThrows(
          SocketTimeoutException.class, () -> here.tcp().connect(FAR, 9, Duration.ofMillis(50)));
    }
  }

  @Test
  void datagramsCrossInFragmentsToo() throws IOException {
    LoopbackBackend.Pair wire = LoopbackBackend.pair(64, 1514);
    MachineConfig config = MachineConfig.of(PlatformKind.PC);
    try (Machine here = Machine.start(config, wire.left(), NEAR);
        Machine there = Machine.start(config.neighbour(), wire.right(), FAR);
        GuestDatagrams left = here.udp().open(0);
        GuestDatagrams right = there.udp().open(53)) {
      assertThrows(BindException.class, () -> there.udp().open(53));
      for (int length : new int[] {0, 1, 1472, 1473, 65_507}) {
        byte[] data = new byte[length];
        new SplittableRandom(length).nextBytes(data);
        left.send(FAR, 53, data);
        GuestDatagrams.Datagram got = right.receive(DEADLINE);
        assertArrayEquals(data, got.data());
        assertEquals(NEAR, got.address());
        assertEquals(left.port(), got.port());
        right.send(NEAR, got.port(), got.data());
        assertArrayEquals(data, left.receive(DEADLINE).data());
      }
      assertThrows(SocketTimeoutException.class, () -> left.receive(Duration.ofMillis(10)));
    }
  }

  /** Whoever waits when the guest ends is told so. */
  @Test
  void aGuestThatEndsLeavesNobodyWaiting() throws Exception {
    LoopbackBackend.Pair wire = LoopbackBackend.pair(64, 1514);
    ExecutorService threads = Executors.newFixedThreadPool(1);
    try (threads) {
      Machine here = Machine.start(MachineConfig.of(PlatformKind.PC), wire.left(), NEAR);
      Future<Throwable> waiting;
      try (here) {
        GuestListener listener = here.tcp().listen(PORT);
        waiting =
            threads.submit(
                () -> assertThrows(IllegalStateException.class, () -> listener.accept(DEADLINE)));
      }
      assertTrue(waiting.get().getMessage().contains("ended"));
      assertThrows(IllegalStateException.class, () -> here.tcp().listen(8));
    }
  }
}
