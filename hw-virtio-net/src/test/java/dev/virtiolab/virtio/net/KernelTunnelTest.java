package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.net.Offload;
import dev.virtiolab.net.TapBackend;
import dev.virtiolab.posix.fixture.Requirements;
import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.fixture.Packets;
import dev.virtiolab.virtio.fixture.Packets.Tunnelled;
import dev.virtiolab.virtio.fixture.TestNic;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tunnels judged by the kernel: its own VXLAN interface (RFC 7348) is at the other end. What the
 * driver sends is cut by the kernel, behind a bare TAP, or by the device; what the kernel sends
 * comes whole or in pieces.
 */
class KernelTunnelTest {
  private static final int TIMEOUT_MILLIS = 20_000;
  private static final long TIMEOUT_NANOS = TimeUnit.MILLISECONDS.toNanos(TIMEOUT_MILLIS);
  private static final int TUNNEL_PORT = 14789;
  private static final int OWN_PORT = 4712;
  private static final int SEGMENT = 1000;
  private static final int MSS = 1300;
  private static final byte[] INNER_MAC = {2, 0, 0, 0, 0, 2};
  private static final byte[] VXLAN = {8, 0, 0, 0, 0, 0, 7, 0};
  private static final int SYN = 2;
  private static final int RST = 4;
  private static final int PSH = 8;
  private static final int ACK = 0x10;

  /**
   * @param outer IP version of the tunnel
   * @param inner of what it carries
   * @param checksum whether the tunnel has a checksum of its own
   * @param plain whether the device has to do the work (sent), or takes no tunnels (received)
   */
  private record Shape(int outer, int inner, boolean checksum, boolean plain) {}

  static Stream<Shape> shapes() {
    return IntStream.range(0, 16)
        .mapToObj(
            i -> new Shape((i & 1) == 0 ? 4 : 6, (i & 2) == 0 ? 4 : 6, (i & 4) == 0, (i & 8) == 0));
  }

  private final byte[] payload = TestNic.frame(4000, 5);
  private TapBackend tap;
  private String tunnel;

  /**
   * Whether tunnels are cut before they come to the other side: a kernel before 6.17 knows none.
   */
  private boolean cut;

  private byte[] tapMac;
  private byte[] tunnelMac;
  private WireDriver driver;

  private void makeTheInterfaces(Shape shape) throws IOException, InterruptedException {
    Requirements.assumeTap();
    Requirements.assumeProgram("ip", "iproute2");
    tap = TapBackend.open("");
    cut = shape.plain || (tap.offloads() & Offload.TUNNEL) == 0;
    KernelInterfaces.ip("link", "set", tap.name(), "addrgenmode", "none", "up");
    KernelInterfaces.ip("address", "add", "198.18.80.1/30", "dev", tap.name());
    KernelInterfaces.addIpv6(tap.name(), "fd00:80::1");
    for (String neighbour : new String[] {"198.18.80.2", "fd00:80::2"}) {
      KernelInterfaces.ip(
          "neigh", "replace", neighbour, "dev", tap.name(), "lladdr", "02:00:00:00:00:01");
    }
    tunnel = "vx" + tap.name();
    List<String> link =
        new ArrayList<>(List.of("link", "add", tunnel, "type", "vxlan", "id", "7", "dev"));
    link.addAll(List.of(tap.name(), "dstport", "" + TUNNEL_PORT));
    link.addAll(List.of("local", address(shape.outer, 80, 1).getHostAddress()));
    link.addAll(List.of("remote", address(shape.outer, 80, 2).getHostAddress()));
    link.add(shape.checksum ? "udpcsum" : "noudpcsum");
    link.add(shape.checksum ? "noudp6zerocsumtx" : "udp6zerocsumtx");
    link.add("udp6zerocsumrx");
    KernelInterfaces.ip(link.toArray(String[]::new));
    KernelInterfaces.ip("link", "set", tunnel, "addrgenmode", "none", "up");
    KernelInterfaces.ip("address", "add", "198.18.81.1/30", "dev", tunnel);
    KernelInterfaces.addIpv6(tunnel, "fd00:81::1");
    for (String neighbour : new String[] {"198.18.81.2", "fd00:81::2"}) {
      KernelInterfaces.ip(
          "neigh", "replace", neighbour, "dev", tunnel, "lladdr", "02:00:00:00:00:02");
    }
    tapMac = KernelInterfaces.mac(tap.name());
    tunnelMac = KernelInterfaces.mac(tunnel);
  }

  @AfterEach
  void close() {
    if (driver != null) {
      driver.close();
    }
    if (tap != null) {
      tap.close(); // The tunnel goes with the interface below it.
    }
  }

  /** 80 is the net of the tunnel's ends, 81 the one within. */
  private static InetAddress address(int version, int net, int host) throws IOException {
    String text = version == 4 ? "198.18." + net + "." + host : "fd00:" + net + "::" + host;
    return InetAddress.getByName(text);
  }

  // ---- frames

  private static byte[] frame(
      byte[] to, byte[] from, int version, int net, int protocol, byte[] header, byte[] data)
      throws IOException {
    return KernelInterfaces.frame(
        to, from, address(version, net, 2), address(version, net, 1), protocol, header, data);
  }

  private static byte[] udp(int from, int to, int dataBytes) {
    byte[] header = new byte[8];
    Packets.put16(header, 0, from);
    Packets.put16(header, 2, to);
    Packets.put16(header, 4, 8 + dataBytes);
    return header;
  }

  private Tunnelled wrapped(Shape shape, byte[] carried, boolean checksum) throws IOException {
    byte[] data = Arrays.copyOf(VXLAN, VXLAN.length + carried.length);
    System.arraycopy(carried, 0, data, VXLAN.length, carried.length);
    byte[] header = udp(50_000, TUNNEL_PORT, data.length);
    byte[] out = frame(tapMac, WireDriver.MAC, shape.outer, 80, Packets.UDP, header, data);
    Tunnelled layout = layout(shape, out);
    if (!checksum) {
      Packets.put16(out, layout.outerTransport() + 6, 0);
    }
    return layout;
  }

  private static Tunnelled layout(Shape shape, byte[] frame) {
    int outer = 14 + (shape.outer == 4 ? 20 : 40);
    int inner = outer + 8 + VXLAN.length + 14;
    return new Tunnelled(frame, outer, inner, inner + (shape.inner == 4 ? 20 : 40));
  }

  private byte[] segment(Shape shape, int[] ports, int flags, int sequence, int ack, byte[] data)
      throws IOException {
    boolean syn = (flags & SYN) != 0;
    ByteBuffer header = ByteBuffer.allocate(syn ? 24 : 20);
    header.putShort((short) ports[0]).putShort((short) ports[1]).putInt(sequence).putInt(ack);
    header.put((byte) (syn ? 0x60 : 0x50)).put((byte) flags).putShort((short) 0x7fff);
    if (syn) {
      header.putInt(20, 0x0204_0000 | MSS);
    }
    return frame(tunnelMac, INNER_MAC, shape.inner, 81, Packets.TCP, header.array(), data);
  }

  /** One frame that is not cut: its inner checksum is left to do, and the tunnel has none. */
  private void sendSmall(Shape shape, byte[] carried) throws IOException {
    Tunnelled whole = wrapped(shape, carried, false);
    driver.send(whole.frame(), Offload.of(1, 0, 0, whole.innerTransport(), 16), 0);
  }

  private void sendToBeCut(Shape shape, byte[] carried, int type, int field) throws IOException {
    Tunnelled whole = wrapped(shape, carried, shape.checksum);
    // By the specification's reading: the inner IP.
    int named = shape.inner == 4 ? Offload.GSO_UDP_TUNNEL_IPV4 : Offload.GSO_UDP_TUNNEL_IPV6;
    int flags = Offload.NEEDS_CSUM | (shape.checksum ? Offload.TUNNEL_CSUM_PARTIAL : 0);
    driver.send(
        whole.frame(),
        Offload.of(flags, type | named, SEGMENT, whole.innerTransport(), field),
        Offload.tunnel(whole.outerTransport(), whole.innerNetwork()));
  }

  /** A TCP segment that the kernel sent within the tunnel, and the header that came with it. */
  private record Look(byte[] header, Tunnelled outer, byte[] frame) {
    int flags() {
      return frame[Packets.transport(frame) + 13];
    }

    int word(int at) {
      return ByteBuffer.wrap(frame).getInt(Packets.transport(frame) + at);
    }

    int payloadAt() {
      int tcp = Packets.transport(frame);
      return tcp + (frame[tcp + 12] >>> 4 & 0xf) * 4;
    }
  }

  /** What comes from {@code port}: an earlier connection may not have given up yet. */
  private Look await(Shape shape, int port, IntPredicate wanted) {
    long start = System.nanoTime();
    while (System.nanoTime() - start < TIMEOUT_NANOS) {
      WireDriver.Received received = driver.next();
      if (received == null) {
        Thread.onSpinWait();
        continue;
      }
      Tunnelled outer = layout(shape, received.frame());
      if (received.frame().length < outer.innerTransport() + 20
          || Packets.u16(received.frame(), 12) != (shape.outer == 4 ? 0x0800 : 0x86dd)
          || received.frame()[shape.outer == 4 ? 23 : 20] != Packets.UDP
          || Packets.u16(received.frame(), outer.outerTransport() + 2) != TUNNEL_PORT) {
        continue;
      }
      byte[] frame = outer.carriedBy(received.frame());
      boolean tcp =
          frame[14] >>> 4 == shape.inner && frame[shape.inner == 4 ? 23 : 20] == Packets.TCP;
      Look look = new Look(received.header(), outer, frame);
      if (tcp
          && Packets.u16(frame, Packets.transport(frame)) == port
          && wanted.test(look.flags())) {
        return look;
      }
    }
    throw new AssertionError("the kernel sends no such frame");
  }

  private void start(Shape shape, Features features) {
    driver = new WireDriver(tap, shape.plain, features);
  }

  // ---- what the kernel makes of them

  @ParameterizedTest
  @MethodSource("shapes")
  void runOfDatagramsArrivesAsSoMany(Shape shape) throws IOException, InterruptedException {
    makeTheInterfaces(shape);
    start(shape, WireDriver.SENDS_TUNNELS);
    try (DatagramSocket socket =
        new DatagramSocket(new InetSocketAddress(address(shape.inner, 81, 1), 0))) {
      socket.setSoTimeout(TIMEOUT_MILLIS);
      byte[] header = udp(OWN_PORT, socket.getLocalPort(), payload.length);
      byte[] carried = frame(tunnelMac, INNER_MAC, shape.inner, 81, Packets.UDP, header, payload);
      sendToBeCut(shape, carried, Offload.GSO_UDP_L4, 6);
      for (int at = 0; at < payload.length; at += SEGMENT) {
        DatagramPacket got = new DatagramPacket(new byte[8192], 8192);
        socket.receive(got);
        assertEquals(OWN_PORT, got.getPort());
        assertArrayEquals(
            Arrays.copyOfRange(payload, at, at + SEGMENT),
            Arrays.copyOf(got.getData(), got.getLength()));
      }
    }
    assertEquals(cut ? 4 : 1, tap.counters().framesOut());
    assertEquals(cut ? 1 : 0, driver.device().counters().workedOut());
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void segmentsReachTheSocketInOneStream(Shape shape) throws IOException, InterruptedException {
    makeTheInterfaces(shape);
    start(shape, WireDriver.SENDS_TUNNELS);
    try (ServerSocket server = new ServerSocket()) {
      server.setSoTimeout(TIMEOUT_MILLIS);
      server.bind(new InetSocketAddress(address(shape.inner, 81, 1), 0));
      int[] ports = {OWN_PORT, server.getLocalPort()};
      int sequence = 0xffff_f800; // It runs over 2^32 within the data.
      sendSmall(shape, segment(shape, ports, SYN, sequence - 1, 0, new byte[0]));
      int ack = await(shape, ports[1], flags -> flags == (SYN | ACK)).word(4) + 1;
      sendSmall(shape, segment(shape, ports, ACK, sequence, ack, new byte[0]));
      int type = shape.inner == 4 ? Offload.GSO_TCPV4 : Offload.GSO_TCPV6;
      sendToBeCut(shape, segment(shape, ports, ACK | PSH, sequence, ack, payload), type, 16);
      try (Socket accepted = server.accept()) {
        accepted.setSoTimeout(TIMEOUT_MILLIS);
        assertArrayEquals(payload, accepted.getInputStream().readNBytes(payload.length));
      } finally {
        byte[] nothing = new byte[0];
        sendSmall(shape, segment(shape, ports, RST, sequence + payload.length, 0, nothing));
      }
    }
    assertEquals(3 + (cut ? 4 : 1), tap.counters().framesOut());
  }

  // ---- what the kernel leaves to do

  /** Whole where driver and wire take that, and both readings of the type name one IP version. */
  @ParameterizedTest
  @MethodSource("shapes")
  void kernelsSegmentsComeWholeWhereThatIsAccepted(Shape shape)
      throws IOException, InterruptedException {
    makeTheInterfaces(shape);
    start(shape, WireDriver.SENDS_AND_TAKES_TUNNELS);
    byte[] data = TestNic.frame(12_000, 9);
    try (SocketChannel channel = SocketChannel.open()) {
      channel.configureBlocking(false);
      channel.bind(new InetSocketAddress(address(shape.inner, 81, 1), 0));
      channel.connect(new InetSocketAddress(address(shape.inner, 81, 2), 7777));
      int local = ((InetSocketAddress) channel.getLocalAddress()).getPort();
      int[] ports = {7777, local};
      Look syn = await(shape, local, flags -> flags == SYN);
      int first = syn.word(4) + 1;
      sendSmall(shape, segment(shape, ports, SYN | ACK, 1, first, new byte[0]));
      long start = System.nanoTime();
      while (!channel.finishConnect()) {
        assertTrue(System.nanoTime() - start < TIMEOUT_NANOS, "the kernel must take the answer");
        Thread.onSpinWait();
      }
      assertEquals(data.length, channel.write(ByteBuffer.wrap(data)));
      byte[] got = new byte[data.length];
      int longest = 0;
      for (int filled = 0; filled < data.length; ) {
        Look look = await(shape, local, flags -> true);
        int at = look.word(4) - first;
        int bytes = look.frame.length - look.payloadAt();
        if (bytes > 0) {
          System.arraycopy(look.frame, look.payloadAt(), got, at, bytes);
          filled = Math.max(filled, at + bytes);
        }
        longest = Math.max(longest, bytes);
        if (bytes > MSS) {
          assertDescribed(shape, look);
        } else {
          assertComplete(shape, look);
        }
      }
      assertArrayEquals(data, got);
      sendSmall(shape, segment(shape, ports, RST, 2, 0, new byte[0]));
      boolean whole = !cut && shape.outer == shape.inner;
      assertTrue(whole ? longest > MSS : longest <= MSS, "longest=" + longest);
      boolean mixed = !cut && shape.outer != shape.inner;
      assertEquals(mixed, driver.device().counters().workedIn() > 0);
    }
  }

  private static void assertDescribed(Shape shape, Look look) {
    int type =
        shape.inner == 4
            ? Offload.GSO_TCPV4 | Offload.GSO_UDP_TUNNEL_IPV4
            : Offload.GSO_TCPV6 | Offload.GSO_UDP_TUNNEL_IPV6;
    Tunnelled outer = look.outer;
    byte[] expected = new byte[24];
    expected[0] = (byte) (shape.checksum ? 9 : 1);
    expected[1] = (byte) type;
    // Little-endian, and none of them above 255 but gso_size.
    expected[2] = (byte) (outer.innerNetwork() - 14 + look.payloadAt());
    expected[4] = look.header[4];
    expected[5] = look.header[5];
    expected[6] = (byte) outer.innerTransport();
    expected[8] = 16;
    expected[10] = 1;
    expected[20] = (byte) outer.outerTransport();
    expected[22] = (byte) outer.innerNetwork();
    assertArrayEquals(expected, look.header);
    int size = (look.header[4] & 0xff) + ((look.header[5] & 0xff) << 8);
    assertTrue(size > 1000 && size <= MSS, "gso_size=" + size);
  }

  /** Where nothing is left to do all is right. */
  private static void assertComplete(Shape shape, Look look) {
    if ((look.header[0] & Offload.NEEDS_CSUM) != 0) {
      return;
    }
    assertEquals(0, look.header[1]);
    assertEquals("", Packets.whatIsWrong(look.frame));
    String wrong = Packets.whatIsWrong(look.outer.frame());
    if (shape.checksum) {
      assertEquals("", wrong);
    } else {
      assertTrue(Set.of("transport checksum", "UDP checksum of 0").contains(wrong), wrong);
    }
  }
}
