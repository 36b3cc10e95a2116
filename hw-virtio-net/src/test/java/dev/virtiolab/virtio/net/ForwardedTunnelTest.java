package dev.virtiolab.virtio.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.net.Offload;
import dev.virtiolab.net.TapBackend;
import dev.virtiolab.posix.NetNamespace;
import dev.virtiolab.posix.fixture.Requirements;
import dev.virtiolab.virtio.feature.Features;
import dev.virtiolab.virtio.fixture.Packets;
import dev.virtiolab.virtio.fixture.Packets.Tunnelled;
import dev.virtiolab.virtio.fixture.TestNic;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Tunnels that end at neither of the kernel's interfaces: it routes what one driver sends to
 * another, and has to act on every field of the header before the frame. A kernel that keeps a
 * frame for itself does not look at the tunnel's checksum; whoever gets the pieces of one does.
 *
 * <pre>
 *   driver | device | TAP    kernel    TAP | device | driver
 *             cuts?           cuts?           takes it whole?
 * </pre>
 *
 * <p>The kernel knows nothing of what is between the headers, so this can be any tunnel, with or
 * without an interface of its kind.
 */
class ForwardedTunnelTest {
  private static final long TIMEOUT_NANOS = TimeUnit.SECONDS.toNanos(20);
  private static final int SEGMENT = 1000;
  private static final int PAYLOAD = 3701;
  private static final int PIECES = 4;

  /** Where {@link Packets} sends to. */
  private static final String MAC = "52:54:00:12:34:56";

  /** What is between the tunnel's UDP header and what it carries. */
  private enum Tunnel {
    /** RFC 7348, 5: a VNI of 7. */
    VXLAN(true, 8, 0, 0, 0, 0, 0, 7, 0),

    /** RFC 8926, 3.4: a VNI of 5, Ethernet, and 12 bytes of options. */
    GENEVE(true, 3, 0, 0x65, 0x58, 0, 0, 5, 0, 1, 2, 3, 2, 10, 11, 12, 13, 14, 15, 16, 17),

    /** Likewise without options, and IPv4 or IPv6 without Ethernet. */
    GENEVE_OF_IP(false, 0, 0, 8, 0, 0, 0, 5, 0);

    private final boolean ethernet;
    private final byte[] header;

    Tunnel(boolean ethernet, int... header) {
      this.ethernet = ethernet;
      this.header = new byte[header.length];
      for (int i = 0; i < header.length; i++) {
        this.header[i] = (byte) header[i];
      }
    }

    byte[] header(int inner) {
      byte[] copy = header.clone();
      if (!ethernet) {
        Packets.put16(copy, 2, inner == 4 ? 0x0800 : 0x86dd);
      }
      return copy;
    }
  }

  /** Where a frame is cut: always by the first where the kernel knows no tunnels (before 6.17). */
  private enum Cut {
    BY_THE_SENDERS_DEVICE,
    BY_THE_KERNEL,
    NOT_AT_ALL,
  }

  /**
   * @param outer IP version of the tunnel
   * @param inner of what it carries
   * @param checksum whether the tunnel has a checksum of its own
   */
  private record Shape(Tunnel tunnel, int outer, int inner, boolean tcp, boolean checksum) {

    static List<Shape> all() {
      return Stream.of(Tunnel.values())
          .flatMap(tunnel -> IntStream.range(0, 16).mapToObj(i -> of(tunnel, i)))
          .toList();
    }

    private static Shape of(Tunnel tunnel, int bits) {
      int outer = (bits & 1) == 0 ? 4 : 6;
      int inner = (bits & 2) == 0 ? 4 : 6;
      return new Shape(tunnel, outer, inner, (bits & 4) == 0, (bits & 8) == 0);
    }

    Tunnelled frame(byte[] payload) {
      int protocol = tcp ? Packets.TCP : Packets.UDP;
      byte[] carried = Packets.partial(inner, 0, 0, protocol, 0x19, payload); // ACK, PSH, FIN
      byte[] header = tunnel.header(inner);
      return Packets.tunnelled(outer, 0, 0, header, carried, tunnel.ethernet, checksum);
    }

    int type() {
      int named = inner == 4 ? Offload.GSO_UDP_TUNNEL_IPV4 : Offload.GSO_UDP_TUNNEL_IPV6;
      int segments = inner == 4 ? Offload.GSO_TCPV4 : Offload.GSO_TCPV6;
      return named | (tcp ? segments : Offload.GSO_UDP_L4);
    }

    int flags() {
      return Offload.NEEDS_CSUM | (checksum ? Offload.TUNNEL_CSUM_PARTIAL : 0);
    }

    int checksumField() {
      return tcp ? 16 : 6;
    }
  }

  private final byte[] payload = TestNic.frame(PAYLOAD, 5);
  private NetNamespace namespace;
  private TapBackend from;
  private TapBackend to;

  /** A namespace of its own: the machine's may have a firewall that forwards nothing. */
  @BeforeEach
  void makeTheRouter() {
    Requirements.assumeNetNamespace();
    Requirements.assumeProgram("ip", "iproute2");
    namespace = NetNamespace.create();
    namespace.inside(
        () -> {
          from = TapBackend.open("");
          to = TapBackend.open("");
          try {
            route();
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
          return null;
        });
  }

  /** All that comes is for elsewhere, and its way there is the other interface. */
  private void route() throws IOException, InterruptedException {
    set("ipv4/ip_forward", 1);
    set("ipv6/conf/all/forwarding", 1);
    set("ipv4/conf/all/rp_filter", 0);
    for (TapBackend tap : List.of(from, to)) {
      String name = tap.name();
      set("ipv4/conf/" + name + "/rp_filter", 0);
      // Without ARP every neighbour has the interface's own MAC.
      KernelInterfaces.ip("link", "set", name, "address", MAC, "arp", "off");
      KernelInterfaces.ip("link", "set", name, "addrgenmode", "none", "up");
    }
    KernelInterfaces.ip("route", "add", "default", "dev", to.name());
    KernelInterfaces.ip("-6", "route", "add", "default", "dev", to.name());
  }

  private static void set(String name, int value) throws IOException {
    Files.writeString(Path.of("/proc/sys/net", name), "" + value);
  }

  @AfterEach
  void closeTheRouter() {
    if (from != null) {
      from.close();
    }
    if (to != null) {
      to.close();
    }
    if (namespace != null) {
      namespace.close();
    }
  }

  @ParameterizedTest
  @EnumSource
  void everyPieceIsRightWhereverItIsCut(Cut cut) {
    boolean kernelKnows = (from.offloads() & Offload.TUNNEL) != 0;
    boolean senderCuts = cut == Cut.BY_THE_SENDERS_DEVICE || !kernelKnows;
    Features sends = WireDriver.SENDS_TUNNELS;
    Features takes = cut == Cut.NOT_AT_ALL ? WireDriver.SENDS_AND_TAKES_TUNNELS : sends;
    try (WireDriver sender = new WireDriver(from, cut == Cut.BY_THE_SENDERS_DEVICE, sends);
        WireDriver receiver = new WireDriver(to, false, takes)) {
      for (Shape shape : Shape.all()) {
        Tunnelled frame = shape.frame(payload);
        long sent = from.counters().framesOut();
        long worked = receiver.device().counters().workedIn();
        send(sender, shape, frame);
        assertEquals(senderCuts ? PIECES : 1, from.counters().framesOut() - sent, shape::toString);
        boolean whole = cut == Cut.NOT_AT_ALL && !senderCuts;
        // Two IP versions would mislead one driver or another: its device does it then.
        boolean mixed = whole && shape.outer != shape.inner;
        if (whole && !mixed) {
          assertWhole(shape, frame, await(receiver, shape));
        } else {
          assertPieces(shape, frame, receiver);
        }
        long workedNow = receiver.device().counters().workedIn() - worked;
        assertEquals(mixed ? 1 : 0, workedNow, shape::toString);
      }
    }
  }

  private static void send(WireDriver sender, Shape shape, Tunnelled frame) {
    sender.send(
        frame.frame(),
        Offload.of(
            shape.flags(), shape.type(), SEGMENT, frame.innerTransport(), shape.checksumField()),
        Offload.tunnel(frame.outerTransport(), frame.innerNetwork()));
  }

  /** The next frame that was routed, and none of the router's own. */
  private static WireDriver.Received await(WireDriver receiver, Shape shape) {
    long start = System.nanoTime();
    while (System.nanoTime() - start < TIMEOUT_NANOS) {
      WireDriver.Received received = receiver.next();
      if (received != null && Packets.u16(received.frame(), 0) == 0x5254) {
        return received;
      }
      Thread.onSpinWait();
    }
    throw new AssertionError("the kernel routes nothing more: " + shape);
  }

  private void assertPieces(Shape shape, Tunnelled sent, WireDriver receiver) {
    List<byte[]> carried = new ArrayList<>();
    for (int piece = 0; piece < PIECES; piece++) {
      String what = shape + " piece " + piece;
      WireDriver.Received received = await(receiver, shape);
      assertEquals(0, received.header()[0] & shape.flags(), what);
      assertEquals(Offload.GSO_NONE, received.header()[1], what);
      assertEquals("", sent.whatIsWrong(received.frame(), piece, shape.checksum), what);
      carried.add(sent.carriedBy(received.frame()));
    }
    assertArrayEquals(payload, Packets.joined(carried), shape::toString);
  }

  /** Nothing behind the outer IP header was touched, and what is left to do is said. */
  private static void assertWhole(Shape shape, Tunnelled sent, WireDriver.Received received) {
    int start = sent.outerTransport();
    int end = sent.frame().length;
    assertArrayEquals(
        Arrays.copyOfRange(sent.frame(), start, end),
        Arrays.copyOfRange(received.frame(), start, received.frame().length),
        shape::toString);
    ByteBuffer expected = ByteBuffer.allocate(24).order(ByteOrder.LITTLE_ENDIAN);
    expected.put((byte) shape.flags()).put((byte) shape.type());
    expected.putShort((short) (end - PAYLOAD)).putShort((short) SEGMENT);
    expected.putShort((short) sent.innerTransport()).putShort((short) shape.checksumField());
    expected.putShort((short) 1).putLong(0); // num_buffers; nothing where a hash would be
    expected.putShort((short) start).putShort((short) sent.innerNetwork());
    assertArrayEquals(expected.array(), received.header(), shape::toString);
  }
}
