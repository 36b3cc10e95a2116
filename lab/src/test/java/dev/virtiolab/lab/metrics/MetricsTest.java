package dev.virtiolab.lab.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.MachineConfig.Slot;
import dev.virtiolab.lab.serve.ServeConfig;
import dev.virtiolab.lab.serve.Service;
import dev.virtiolab.lab.serve.VfioUserService;
import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.net.fault.Direction;
import dev.virtiolab.net.fault.FaultRules;
import dev.virtiolab.net.fault.FaultyBackend;
import dev.virtiolab.posix.PosixException;
import dev.virtiolab.posix.TcpListener;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class MetricsTest {
  private static final InetAddress LOOPBACK = InetAddress.getLoopbackAddress();

  // ---- the text

  @Test
  void aFamilyHasHelpAndTypeAndItsSamplesAreReadWhenAsked() {
    Metrics metrics = new Metrics();
    AtomicLong value = new AtomicLong(7);
    metrics.counter("a_total", "Back\\slash\nand line.").sample(value::get, "of", "q\"u\\o\nte");
    metrics.gauge("b", "B.").sample(() -> -1);
    value.set(8);

    assertEquals(
        """
        # HELP a_total Back\\\\slash\\nand line.
        # TYPE a_total counter
        a_total{of="q\\"u\\\\o\\nte"} 8
        # HELP b B.
        # TYPE b gauge
        b -1
        """,
        metrics.text());
    Map<String, Exposition.Family> read = Exposition.parse(metrics.text());
    assertEquals("Back\\slash\nand line.", read.get("a_total").help());
    assertEquals(8, read.get("a_total").samples().get(Map.of("of", "q\"u\\o\nte")));
  }

  @Test
  void whatPrometheusWouldRefuseIsRefusedWhenItIsRegistered() {
    Metrics metrics = new Metrics();
    Metrics.Family family = metrics.gauge("b", "").sample(() -> 0);
    assertThrows(IllegalArgumentException.class, () -> metrics.gauge("b", ""));
    assertThrows(IllegalArgumentException.class, () -> metrics.gauge("0b", ""));
    assertThrows(IllegalArgumentException.class, () -> metrics.counter("frames", ""));
    assertThrows(IllegalArgumentException.class, () -> family.sample(() -> 0));
    assertThrows(IllegalArgumentException.class, () -> family.sample(() -> 0, "__a", ""));
  }

  // ---- a machine

  @ParameterizedTest
  @EnumSource
  void aRunningMachineShowsWhatItCounted(PlatformKind platform) throws IOException {
    LoopbackBackend.Pair pair = LoopbackBackend.pair(64, 2048);
    try (FaultyBackend wire = FaultyBackend.open(pair.left(), 1);
        LoopbackBackend far = pair.right();
        Machine machine =
            Machine.start(MachineConfig.of(platform), wire, Ipv4Address.parse("192.0.2.2"));
        MetricsServer server = serve(machine, wire);
        TcpListener second = TcpListener.listen(new InetSocketAddress(LOOPBACK, 0))) {
      assertTrue(server.running() && second.port() != port);
      wire.rules(FaultRules.NONE.withLoss(1));
      for (int i = 0; i < 3; i++) {
        assertTrue(far.claim(60));
        far.commit();
      }
      far.flush();
      awaitFrames(wire, 3);

      String answer = get("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
      assertTrue(answer.startsWith("HTTP/1.1 200 OK\r\n"), answer);
      assertTrue(answer.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
      Map<String, Exposition.Family> page =
          Exposition.parse(answer.substring(answer.indexOf("\r\n\r\n") + 4));

      assertEquals(3, sample(page, "virtiolab_fault_frames_total", "to_guest", "fault", "lost"));
      assertEquals(0, sample(page, "virtiolab_fault_frames_total", "from_guest", "fault", "lost"));
      assertEquals(3, sample(page, "virtiolab_wire_frames_total", "to_guest"));
      assertEquals(0, sample(page, "virtiolab_nic_frames_total", "to_guest"));
      assertEquals(
          machine.dma().openMappings(),
          page.get("virtiolab_dma_open_mappings").samples().get(Map.of()).longValue());
      assertTrue(machine.dma().openMappings() > 0);
      double offered =
          page.get("virtiolab_queue_offered_buffers").samples().get(Map.of("queue", "receive"));
      assertTrue(offered > 0 && offered <= 256, "receive buffers of the driver: " + offered);
      assertEquals(1, page.get("virtiolab_wire_up").samples().get(Map.of()));
      assertEquals(platform == PlatformKind.VTD, page.containsKey("virtiolab_iommu_faults_total"));
      for (Exposition.Family family : page.values()) {
        assertEquals(family.type().equals("counter"), family.name().endsWith("_total"));
        assertTrue(family.name().startsWith("virtiolab_") && !family.help().isEmpty());
      }
    }
    assertThrows(IOException.class, () -> get("GET /metrics HTTP/1.1\r\n\r\n"));
  }

  // ---- a NIC that is served

  @Test
  void aServedNicShowsItsClientsAndItsWire(@TempDir Path folder) throws IOException {
    Path socket = folder.resolve("nic");
    ServeConfig config =
        new ServeConfig(
            socket.toString(), MacAddress.parse("52:54:00:12:34:56"), OptionalInt.empty(), false);
    LoopbackBackend.Pair pair = LoopbackBackend.pair(64, 2048);
    try (LoopbackBackend wire = pair.left();
        LoopbackBackend far = pair.right();
        Service service = VfioUserService.open(config, Slot.ROOT_BUS, List.of(wire))) {
      Metrics metrics = ServiceMetrics.of(service, List.of(wire), Optional.empty());
      assertTrue(far.linkUp());
      try (SocketChannel first = SocketChannel.open(UnixDomainSocketAddress.of(socket));
          SocketChannel second = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
        assertTrue(first.isConnected() && second.isConnected());
        awaitSample(metrics, "virtiolab_serve_clients_total", Map.of("outcome", "served"));
        awaitSample(metrics, "virtiolab_serve_clients_total", Map.of("outcome", "turned_away"));
      }
      Map<String, Exposition.Family> page = Exposition.parse(metrics.text());
      assertEquals(0, sample(page, "virtiolab_nic_frames_total", "to_guest"));
      assertEquals(1, page.get("virtiolab_wire_up").samples().get(Map.of()));
      assertEquals(
          Set.of(Map.of("queue", "receive"), Map.of("queue", "transmit")),
          page.get("virtiolab_queue_kicks_total").samples().keySet());
    }
  }

  private static void awaitSample(Metrics metrics, String name, Map<String, String> labels) {
    long since = System.nanoTime();
    while (Exposition.parse(metrics.text()).get(name).samples().get(labels) != 1) {
      assertTrue(System.nanoTime() - since < 10_000_000_000L, metrics.text());
      LockSupport.parkNanos(1_000_000);
    }
  }

  private int port;

  private MetricsServer serve(Machine machine, FaultyBackend wire) {
    TcpListener listener = TcpListener.listen(new InetSocketAddress(LOOPBACK, 0));
    port = listener.port();
    return MetricsServer.start(listener, MachineMetrics.of(machine, Optional.of(wire)));
  }

  private static double sample(
      Map<String, Exposition.Family> page, String name, String direction, String... more) {
    Map<String, String> labels =
        more.length == 0
            ? Map.of("direction", direction)
            : Map.of("direction", direction, more[0], more[1]);
    return page.get(name).samples().get(labels);
  }

  private static void awaitFrames(FaultyBackend wire, long frames) {
    long deadline = System.nanoTime() + 10_000_000_000L;
    while (wire.faults().frames(Direction.IN) < frames) {
      assertTrue(System.nanoTime() < deadline, "the frames never came");
      LockSupport.parkNanos(1_000_000);
    }
  }

  // ---- the server

  private String get(String request) throws IOException {
    try (Socket socket = new Socket(LOOPBACK, port)) {
      socket.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
      InputStream in = socket.getInputStream();
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "GET /metrics?a=b HTTP/1.0, 200, true",
    "HEAD /metrics HTTP/1.1, 200, false",
    "GET / HTTP/1.1, 404, true",
    "POST /metrics HTTP/1.1, 405, true",
    "nonsense, 400, true",
    "GET /metrics SMTP, 400, true",
  })
  void aRequestGetsTheAnswerThatItDeserves(String line, String status, boolean body)
      throws IOException {
    try (MetricsServer server = start()) {
      String answer = get(line + "\r\nHost: x\r\n\r\n");
      assertTrue(answer.startsWith("HTTP/1.1 " + status + " "), answer);
      assertEquals(body, !answer.endsWith("\r\n\r\n"), answer);
      assertTrue(server.running());
    }
  }

  @Test
  void aClientThatGoesOrSaysTooMuchKeepsNobodyFromBeingServed() throws IOException {
    try (MetricsServer server = start()) {
      new Socket(LOOPBACK, port).close();
      try (Socket chatty = new Socket(LOOPBACK, port)) {
        chatty.getOutputStream().write(new byte[9000]);
      }
      try (Socket silent = new Socket(LOOPBACK, port)) {
        assertTrue(silent.isConnected());
        assertTrue(get("GET /metrics HTTP/1.1\r\n\r\n").contains("a_total 1"));
      }
      assertTrue(server.running());
    }
  }

  private MetricsServer start() {
    Metrics metrics = new Metrics();
    metrics.counter("a_total", "A.").sample(() -> 1);
    TcpListener listener = TcpListener.listen(new InetSocketAddress(LOOPBACK, 0));
    port = listener.port();
    return MetricsServer.start(listener, metrics);
  }

  @Test
  void aPortThatIsTakenIsRefused() {
    try (TcpListener first = TcpListener.listen(new InetSocketAddress(LOOPBACK, 0))) {
      InetSocketAddress taken = new InetSocketAddress(LOOPBACK, first.port());
      PosixException refused =
          assertThrows(PosixException.class, () -> TcpListener.listen(taken).close());
      assertTrue(refused.getMessage().contains("in use"), refused::getMessage);
    }
  }
}
