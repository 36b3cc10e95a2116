package dev.virtiolab.net.netty;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;

/** What tests do at a peer's end of a VXLAN segment: RFC 7348 said once more, by Java's sockets. */
final class Vxlan {
  static final int VNI = 0xabcdef;
  static final long BROADCAST = 0xffff_ffff_ffffL;

  private static final int PATIENCE_MILLIS = 30_000;

  private Vxlan() {}

  /** A peer's socket, at an address of its own on the loopback interface. */
  static final class Peer implements AutoCloseable {
    final DatagramSocket socket;

    Peer(String address) {
      this(address, 0);
    }

    Peer(String address, int port) {
      try {
        socket = new DatagramSocket(new InetSocketAddress(InetAddress.getByName(address), port));
        socket.setSoTimeout(PATIENCE_MILLIS);
        socket.setReceiveBufferSize(1 << 20);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    VxlanConfig.Host host() {
      return new VxlanConfig.Host(socket.getLocalAddress().getHostAddress(), socket.getLocalPort());
    }

    void send(byte[] datagram, VxlanConfig.Host to) {
      try {
        socket.send(
            new DatagramPacket(
                datagram, datagram.length, InetAddress.getByName(to.name()), to.port()));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    /** The next datagram; waits for it. */
    byte[] receive() {
      DatagramPacket packet = new DatagramPacket(new byte[65_536], 65_536);
      try {
        socket.receive(packet);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      return Arrays.copyOf(packet.getData(), packet.getLength());
    }

    /** The next datagram is this frame on our segment. */
    void assertReceives(byte[] frame) {
      assertArrayEquals(datagram(VNI, frame), receive());
    }

    @Override
    public void close() {
      socket.close();
    }
  }

  /** A port of UDP that is free at an address just now. */
  static VxlanConfig.Host freeHost(String address) {
    try (Peer peer = new Peer(address)) {
      return peer.host();
    }
  }

  static VxlanConfig config(String address, Peer... peers) {
    return VxlanConfig.of(freeHost(address), VNI, Arrays.stream(peers).map(Peer::host).toList());
  }

  /** An Ethernet frame of one byte repeated behind its header, of some 60 bytes. */
  static byte[] frame(long to, long from, int filling) {
    return frame(to, from, filling, 60);
  }

  static byte[] frame(long to, long from, int filling, int length) {
    ByteBuffer bytes = ByteBuffer.allocate(length);
    bytes.putShort((short) (to >>> 32)).putInt((int) to);
    bytes.putShort((short) (from >>> 32)).putInt((int) from);
    bytes.putShort((short) 0x88b5);
    while (bytes.hasRemaining()) {
      bytes.put((byte) filling);
    }
    return bytes.array();
  }

  /** A frame behind its header. */
  static byte[] datagram(int vni, byte[] frame) {
    return datagram(0x08, vni, frame);
  }

  static byte[] datagram(int flags, int vni, byte[] frame) {
    ByteBuffer bytes = ByteBuffer.allocate(8 + frame.length);
    return bytes.putInt(flags << 24).putInt(vni << 8).put(frame).array();
  }

  /** Exactly these troubles were counted, once each. */
  static void assertTroubles(VxlanBackend backend, VxlanTrouble... troubles) {
    List<VxlanTrouble> expected = List.of(troubles);
    for (VxlanTrouble trouble : VxlanTrouble.values()) {
      assertEquals(
          expected.stream().filter(trouble::equals).count(), backend.count(trouble), trouble::word);
    }
  }
}
