package dev.virtiolab.net.netty;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.util.Collections;
import java.util.OptionalInt;

/**
 * What the network below takes.
 *
 * @param mtu of the interface that leads to the peers, the smallest if they are several, in bytes
 * @param headerBytes what a frame grows by, from its own first byte on: outer IP and UDP header and
 *     that of VXLAN. Together with the frame's own Ethernet header these are the 50 bytes of IPv4,
 *     and the 70 of IPv6, by which the overlay's MTU is smaller
 */
record VxlanUnderlay(int mtu, int headerBytes) {
  private static final int USUAL_MTU = 1500;

  /** What a NIC must be able to offer (virtio v1.4, 5.1.4.1). */
  private static final int LEAST_MTU = 68;

  /** Of the interfaces that the kernel would send by, now. */
  static VxlanUnderlay of(VxlanPeers peers) {
    int mtu = Integer.MAX_VALUE;
    for (int peer = 0; peer < peers.count(); peer++) {
      mtu = Math.min(mtu, mtuTowards(peers.local().getAddress(), peers.address(peer)));
    }
    int ip = peers.ipv6() ? VxlanLayout.IPV6_HEADER_BYTES : VxlanLayout.IPV4_HEADER_BYTES;
    return new VxlanUnderlay(mtu, ip + VxlanLayout.UDP_HEADER_BYTES + VxlanLayout.HEADER_BYTES);
  }

  /** The largest IP packet of the overlay that makes one packet of the underlay. */
  int largestWhole() {
    return Math.max(LEAST_MTU, mtu - headerBytes - VxlanLayout.ETHERNET_HEADER_BYTES);
  }

  /** The same, if that is less than Ethernet has. */
  OptionalInt overlayMtu() {
    int largest = largestWhole();
    return largest < USUAL_MTU ? OptionalInt.of(largest) : OptionalInt.empty();
  }

  /** Whether a frame makes a packet that has to be cut up. */
  boolean cuts(int frameBytes) {
    return headerBytes + frameBytes > mtu;
  }

  private static int mtuTowards(InetAddress local, InetSocketAddress peer) {
    try {
      if (isOfThisHost(peer.getAddress())) {
        return loopbackMtu();
      }
      InetAddress address = local;
      if (local.isAnyLocalAddress()) {
        // Nothing is sent: connecting only asks the kernel for its route.
        try (DatagramSocket route = new DatagramSocket(new InetSocketAddress(local, 0))) {
          route.connect(peer);
          address = route.getLocalAddress();
        }
      }
      NetworkInterface way = NetworkInterface.getByInetAddress(address);
      return way == null ? USUAL_MTU : way.getMTU();
    } catch (IOException | UncheckedIOException e) {
      return USUAL_MTU; // no way to it yet: sending will say so
    }
  }

  /** Whatever addresses two ends on one host have, what they send goes by its loopback. */
  private static boolean isOfThisHost(InetAddress address) throws IOException {
    return address.isLoopbackAddress() || NetworkInterface.getByInetAddress(address) != null;
  }

  private static int loopbackMtu() throws IOException {
    for (NetworkInterface each : Collections.list(NetworkInterface.getNetworkInterfaces())) {
      if (each.isLoopback()) {
        return each.getMTU();
      }
    }
    return USUAL_MTU;
  }
}
