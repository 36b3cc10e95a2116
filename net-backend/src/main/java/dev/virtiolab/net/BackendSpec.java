package dev.virtiolab.net;

import dev.virtiolab.net.netty.StreamBackend;
import dev.virtiolab.net.netty.StreamConfig;
import dev.virtiolab.net.netty.VxlanBackend;
import dev.virtiolab.net.netty.VxlanConfig;
import dev.virtiolab.posix.PosixException;
import dev.virtiolab.posix.Tap;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** What {@code --backend} names: {@value #FORMS}. */
public sealed interface BackendSpec {

  /** The forms that are known, as a usage line shows them. */
  String FORMS =
      "tap[:NAME]|loopback|sink"
          + "|stream:[listen:]HOST:PORT|stream:[listen:]unix:PATH"
          + "|dgram:HOST:PORT,HOST:PORT|dgram:unix:PATH,unix:PATH"
          + "|vxlan:HOST[:PORT],vni=N,peer=HOST[:PORT]";

  /**
   * A TAP interface.
   *
   * @param name empty to let the kernel choose
   */
  record TapInterface(String name) implements BackendSpec {
    @Override
    public TapBackend open() {
      return TapBackend.open(name);
    }
  }

  /** A plug that hands the NIC its own frames back. */
  record Loopback() implements BackendSpec {
    private static final int FRAMES = 256;

    @Override
    public NetBackend open() {
      return LoopbackBackend.single(FRAMES, NetBackend.LARGEST_FRAME);
    }
  }

  /** A wire that leads nowhere. */
  record Sink() implements BackendSpec {
    @Override
    public NetBackend open() {
      return new SinkBackend();
    }
  }

  /** A datagram socket: its own address and the peer's, as QEMU's {@code -netdev dgram}. */
  sealed interface Datagram extends BackendSpec {
    @Override
    DatagramBackend open();
  }

  /**
   * Over UDP and IPv4.
   *
   * @param local where frames are received, and sent from
   * @param remote the peer
   */
  record UdpDatagram(Port local, Port remote) implements Datagram {
    /**
     * Where a socket is bound.
     *
     * @param host name or address
     * @param port from 1 to 65535
     */
    public record Port(String host, int port) {
      @Override
      public String toString() {
        return host + ":" + port;
      }

      private InetSocketAddress resolve() throws UnknownHostException {
        for (InetAddress address : InetAddress.getAllByName(host)) {
          if (address instanceof Inet4Address) {
            return new InetSocketAddress(address, port);
          }
        }
        throw new UnknownHostException(host);
      }
    }

    @Override
    public DatagramBackend open() {
      try {
        return DatagramBackend.udp(local.resolve(), remote.resolve());
      } catch (UnknownHostException e) {
        throw new BackendOpenException(
            toString(), "no IPv4 address is known for " + e.getMessage(), e);
      } catch (PosixException e) {
        throw new BackendOpenException(toString(), e.getMessage(), e);
      }
    }

    @Override
    public String toString() {
      return "dgram:" + local + "," + remote;
    }
  }

  /**
   * Over unix sockets.
   *
   * @param local the socket that is made
   * @param remote the peer's, as the peer knows it
   */
  record UnixDatagram(Path local, Path remote) implements Datagram {
    @Override
    public DatagramBackend open() {
      try {
        return DatagramBackend.unix(local, remote);
      } catch (PosixException e) {
        throw new BackendOpenException(toString(), e.getMessage(), e);
      }
    }

    @Override
    public String toString() {
      return "dgram:unix:" + local + ",unix:" + remote;
    }
  }

  /**
   * A wire to another process, as QEMU's {@code -netdev stream} speaks it.
   *
   * @param config where, and how
   */
  record Stream(StreamConfig config) implements BackendSpec {
    @Override
    public StreamBackend open() {
      return StreamBackend.open(config);
    }
  }

  /**
   * One host's end of a VXLAN segment (RFC 7348).
   *
   * @param config which, and with whom
   */
  record Vxlan(VxlanConfig config) implements BackendSpec {
    @Override
    public VxlanBackend open() {
      return VxlanBackend.open(config);
    }
  }

  /**
   * Makes the back end.
   *
   * @throws dev.virtiolab.posix.PosixException if the kernel refuses a TAP
   * @throws BackendOpenException if a socket cannot be had
   */
  NetBackend open();

  /**
   * Reads {@value #FORMS}.
   *
   * @throws BackendSpecException if it is none of these
   */
  static BackendSpec parse(String text) {
    int colon = text.indexOf(':');
    String kind = colon < 0 ? text : text.substring(0, colon);
    String argument = colon < 0 ? null : text.substring(colon + 1);
    switch (kind) {
      case "tap" -> {
        return new TapInterface(argument == null ? "" : checkName(text, argument));
      }
      case "loopback" -> {
        refuseArgument(text, argument);
        return new Loopback();
      }
      case "sink" -> {
        refuseArgument(text, argument);
        return new Sink();
      }
      case "dgram" -> {
        return DatagramSpec.parse(text, argument == null ? "" : argument);
      }
      case "stream" -> {
        return new Stream(StreamSpec.parse(text, argument == null ? "" : argument));
      }
      case "vxlan" -> {
        return new Vxlan(VxlanSpec.parse(text, argument == null ? "" : argument));
      }
      default -> throw new BackendSpecException(text, "no such back end");
    }
  }

  private static String checkName(String text, String name) {
    int bytes = name.getBytes(StandardCharsets.UTF_8).length;
    if (bytes == 0 || bytes > Tap.MAX_NAME_BYTES) {
      throw new BackendSpecException(
          text, "an interface's name has from 1 to " + Tap.MAX_NAME_BYTES + " bytes");
    }
    return name;
  }

  private static void refuseArgument(String text, String argument) {
    if (argument != null) {
      throw new BackendSpecException(text, "nothing may follow");
    }
  }
}
