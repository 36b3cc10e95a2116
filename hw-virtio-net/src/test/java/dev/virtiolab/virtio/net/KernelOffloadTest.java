package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.net.Offload;
import dev.virtiolab.net.TapBackend;
import dev.virtiolab.posix.fixture.Requirements;
import dev.virtiolab.virtio.feature.FeatureBits;
import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.fixture.Packets;
import dev.virtiolab.virtio.fixture.TestNic;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What a driver leaves to do, judged by the kernel: its sockets get the bytes only where lengths,
 * fragments and checksums are right. Each is done by the kernel itself, behind a bare TAP, and by
 * the device, where something stands between that knows plain frames only.
 */
class KernelOffloadTest {
  private static final int TIMEOUT_MILLIS = 20_000;
  private static final int OWN_PORT = 4711;
  private static final int SEGMENT = 1000;
  private static final long FEATURES =
      FeatureBits.VIRTIO_F_VERSION_1
          | FeatureBits.VIRTIO_NET_F_CSUM
          | FeatureBits.VIRTIO_NET_F_HOST_TSO4
          | FeatureBits.VIRTIO_NET_F_HOST_TSO6
          | FeatureBits.VIRTIO_NET_F_HOST_UFO
          | FeatureBits.VIRTIO_NET_F_HOST_USO;

  private static final int SYN = 2;
  private static final int RST = 4;
  private static final int PSH = 8;
  private static final int ACK = 0x10;

  private final byte[] payload = TestNic.frame(4000, 5);
  private TapBackend tap;
  private byte[] station;
  private WireDriver driver;

  @BeforeEach
  void makeTheInterface() throws IOException, InterruptedException {
    Requirements.assumeTap();
    Requirements.assumeProgram("ip", "iproute2");
    tap = TapBackend.open("");
    station = KernelInterfaces.mac(tap.name());
    KernelInterfaces.ip("link", "set", tap.name(), "addrgenmode", "none", "up");
    KernelInterfaces.ip("address", "add", "198.18.79.1/30", "dev", tap.name());
    KernelInterfaces.addIpv6(tap.name(), "fd00:79::1");
    for (String neighbour : new String[] {"198.18.79.2", "fd00:79::2"}) {
      KernelInterfaces.ip(
          "neigh", "add", neighbour, "dev", tap.name(), "lladdr", "02:00:00:00:00:01");
    }
  }

  @AfterEach
  void close() {
    if (driver != null) {
      driver.close();
    }
    if (tap != null) {
      tap.close();
    }
  }

  // ---- the driver

  private void start(boolean software) {
    driver = new WireDriver(tap, software, Features.of(FEATURES));
  }

  private void send(byte[] frame, long work) {
    driver.send(frame, work, 0);
  }

  /** The next TCP segment of the kernel's. */
  private byte[] awaitSegment(int version) {
    long start = System.nanoTime();
    while (System.nanoTime() - start < Duration.ofMillis(TIMEOUT_MILLIS).toNanos()) {
      WireDriver.Received received = driver.next();
      if (received == null) {
        Thread.onSpinWait();
        continue;
      }
      byte[] frame = received.frame();
      boolean tcp =
          version == 4
              ? Packets.u16(frame, 12) == 0x0800 && frame[23] == Packets.TCP
              : Packets.u16(frame, 12) == 0x86dd && frame[20] == Packets.TCP;
      if (tcp) {
        return frame;
      }
    }
    throw new AssertionError("the kernel does not answer");
  }

  // ---- frames

  private static InetAddress address(int version, int host) throws IOException {
    return InetAddress.getByName((version == 4 ? "198.18.79." : "fd00:79::") + host);
  }

  private static int transport(int version) {
    return version == 4 ? 34 : 54;
  }

  private byte[] frame(int version, int protocol, byte[] transportHeader, byte[] data)
      throws IOException {
    return KernelInterfaces.frame(
        station,
        WireDriver.MAC,
        address(version, 2),
        address(version, 1),
        protocol,
        transportHeader,
        data);
  }

  private byte[] datagram(int version, int port) throws IOException {
    byte[] header = new byte[8];
    Packets.put16(header, 0, OWN_PORT);
    Packets.put16(header, 2, port);
    Packets.put16(header, 4, 8 + payload.length);
    return frame(version, Packets.UDP, header, payload);
  }

  private byte[] segment(int version, int port, int flags, int sequence, int ack, byte[] data)
      throws IOException {
    ByteBuffer header = ByteBuffer.allocate(20);
    header.putShort((short) OWN_PORT).putShort((short) port).putInt(sequence).putInt(ack);
    header.put((byte) 0x50).put((byte) flags).putShort((short) 0x7fff);
    return frame(version, Packets.TCP, header.array(), data);
  }

  private static long work(int version, int gsoType, int csumOffset) {
    return Offload.of(
        Offload.NEEDS_CSUM,
        gsoType,
        gsoType == Offload.GSO_NONE ? 0 : SEGMENT,
        transport(version),
        csumOffset);
  }

  private void assertWhoDidIt(boolean software) {
    assertEquals(software, driver.device().counters().workedOut() > 0);
  }

  // ---- what the kernel makes of them

  @ParameterizedTest
  @CsvSource({"4, false", "4, true", "6, false", "6, true"})
  void runOfDatagramsArrivesAsSoMany(int version, boolean software) throws IOException {
    start(software);
    try (DatagramSocket socket =
        new DatagramSocket(new InetSocketAddress(address(version, 1), 0))) {
      socket.setSoTimeout(TIMEOUT_MILLIS);
      send(datagram(version, socket.getLocalPort()), work(version, Offload.GSO_UDP_L4, 6));
      for (int at = 0; at < payload.length; at += SEGMENT) {
        DatagramPacket got = new DatagramPacket(new byte[8192], 8192);
        socket.receive(got);
        assertEquals(OWN_PORT, got.getPort());
        assertArrayEquals(
            Arrays.copyOfRange(payload, at, at + SEGMENT),
            Arrays.copyOf(got.getData(), got.getLength()));
      }
    }
    assertWhoDidIt(software);
  }

  @ParameterizedTest
  @CsvSource({"4, false", "4, true", "6, false", "6, true"})
  void fragmentedDatagramArrivesWhole(int version, boolean software) throws IOException {
    start(software);
    try (DatagramSocket socket =
        new DatagramSocket(new InetSocketAddress(address(version, 1), 0))) {
      socket.setSoTimeout(TIMEOUT_MILLIS);
      send(datagram(version, socket.getLocalPort()), work(version, Offload.GSO_UDP, 6));
      DatagramPacket got = new DatagramPacket(new byte[8192], 8192);
      socket.receive(got);
      assertArrayEquals(payload, Arrays.copyOf(got.getData(), got.getLength()));
    }
    assertWhoDidIt(software);
    if (software) {
      assertEquals(5, tap.counters().framesOut(), "a header and 4000 bytes, by 1000 and less");
    }
  }

  @ParameterizedTest
  @CsvSource({"4, false", "4, true", "6, false", "6, true"})
  void segmentsReachTheSocketInOneStream(int version, boolean software) throws IOException {
    start(software);
    try (ServerSocket server = new ServerSocket()) {
      server.setSoTimeout(TIMEOUT_MILLIS);
      server.bind(new InetSocketAddress(address(version, 1), 0));
      int port = server.getLocalPort();
      long checksum = work(version, Offload.GSO_NONE, 16);
      int sequence = 0xffff_f800; // It runs over 2^32 within the data.
      send(segment(version, port, SYN, sequence - 1, 0, new byte[0]), checksum);
      byte[] answer = awaitSegment(version);
      int tcp = transport(version);
      assertEquals(SYN | ACK, answer[tcp + 13]);
      int ack = ByteBuffer.wrap(answer).getInt(tcp + 4) + 1;
      send(segment(version, port, ACK, sequence, ack, new byte[0]), checksum);
      int type = version == 4 ? Offload.GSO_TCPV4 : Offload.GSO_TCPV6;
      send(segment(version, port, ACK | PSH, sequence, ack, payload), work(version, type, 16));
      try (Socket accepted = server.accept()) {
        accepted.setSoTimeout(TIMEOUT_MILLIS);
        assertArrayEquals(payload, accepted.getInputStream().readNBytes(payload.length));
      } finally {
        send(segment(version, port, RST, sequence + payload.length, 0, new byte[0]), checksum);
      }
    }
    assertWhoDidIt(software);
  }
}
