package dev.virtiolab.net.netty;

import java.io.IOException;
import java.net.Inet4Address;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Who the peers of a segment are, by number: first those that get what is for everybody, then those
 * that are known for their stations only.
 *
 * <p>A peer is known by its address; its source port may be any, since RFC 7348 (5, "Outer UDP
 * Header") has it follow from the frame. Where two peers share an address, or a peer has our own,
 * as labs on one machine do, a datagram's port must be that of one of them. Looking up allocates
 * nothing.
 */
final class VxlanPeers {
  /** Sent by nobody whom we know. */
  static final int NOBODY = -1;

  /** Sent by this end itself. */
  static final int OURSELVES = -2;

  private static final int SEVERAL = -3;

  private final InetSocketAddress local;
  private final InetSocketAddress[] addresses;
  private final int flooded;
  private final Map<InetSocketAddress, Integer> byPort = new HashMap<>();
  private final Map<InetAddress, Integer> byAddress = new HashMap<>();
  private final Set<InetAddress> own;

  // Stations known beforehand, sorted, and the number of the peer of each.
  private final long[] stations;
  private final int[] stationPeers;

  // Who sent the last datagram: Java hands out the same object while the sender stays the same.
  private InetSocketAddress lastFrom;
  private int lastPeer;

  private VxlanPeers(
      InetSocketAddress local,
      List<InetSocketAddress> addresses,
      int flooded,
      Map<Long, Integer> stations,
      Set<InetAddress> own) {
    this.local = local;
    this.addresses = addresses.toArray(InetSocketAddress[]::new);
    this.flooded = flooded;
    this.own = own;
    for (int peer = 0; peer < this.addresses.length; peer++) {
      byPort.put(this.addresses[peer], peer);
      byAddress.merge(this.addresses[peer].getAddress(), peer, (one, other) -> SEVERAL);
    }
    // A peer of our own address is told from ourselves by its port.
    own.forEach(address -> byAddress.computeIfPresent(address, (same, peer) -> SEVERAL));
    this.stations = stations.keySet().stream().mapToLong(Long::longValue).sorted().toArray();
    stationPeers = new int[this.stations.length];
    for (int i = 0; i < stationPeers.length; i++) {
      stationPeers[i] = stations.get(this.stations[i]);
    }
  }

  /**
   * Looks every name up, once.
   *
   * @throws UnknownHostException if one has no address of the family of the local one
   * @throws IOException if this end is its own peer, or the interfaces cannot be listed
   */
  static VxlanPeers resolve(VxlanConfig config) throws IOException {
    InetAddress localAddress = lookUp(config.local().name(), null);
    InetSocketAddress local = new InetSocketAddress(localAddress, config.local().port());
    Set<InetAddress> own = new HashSet<>();
    if (localAddress.isAnyLocalAddress()) {
      NetworkInterface.networkInterfaces()
          .flatMap(NetworkInterface::inetAddresses)
          .forEach(own::add);
    } else {
      own.add(localAddress);
    }
    List<InetSocketAddress> addresses = new ArrayList<>();
    for (VxlanConfig.Host peer : config.peers()) {
      InetSocketAddress address = address(peer, local, own);
      if (!addresses.contains(address)) {
        addresses.add(address);
      }
    }
    int flooded = addresses.size();
    Map<Long, Integer> stations = new HashMap<>();
    for (VxlanConfig.Station station : config.stations()) {
      InetSocketAddress address = address(station.host(), local, own);
      if (!addresses.contains(address)) {
        addresses.add(address);
      }
      stations.put(station.address(), addresses.indexOf(address));
    }
    return new VxlanPeers(local, addresses, flooded, stations, own);
  }

  private static InetSocketAddress address(
      VxlanConfig.Host host, InetSocketAddress local, Set<InetAddress> own) throws IOException {
    InetAddress address = lookUp(host.name(), local.getAddress());
    if (address.isAnyLocalAddress() || address.isMulticastAddress()) {
      throw new IOException(host + " names no one host");
    }
    if (own.contains(address) && host.port() == local.getPort()) {
      throw new IOException("its own address is the peer's, " + host);
    }
    return new InetSocketAddress(address, host.port());
  }

  /**
   * @param like of which family it has to be; null: IPv4 if there is one
   */
  private static InetAddress lookUp(String name, InetAddress like) throws UnknownHostException {
    InetAddress found = null;
    for (InetAddress address : InetAddress.getAllByName(name)) {
      boolean wanted = like == null ? address instanceof Inet4Address : sameFamily(address, like);
      if (wanted) {
        return address;
      }
      found = address;
    }
    if (like != null || found == null) {
      throw new UnknownHostException(
          name
              + " has no address of "
              + (like instanceof Inet6Address ? "IPv6" : "IPv4")
              + ", as the local end has");
    }
    return found;
  }

  private static boolean sameFamily(InetAddress one, InetAddress other) {
    return one instanceof Inet4Address == other instanceof Inet4Address;
  }

  /** Where this end is bound. */
  InetSocketAddress local() {
    return local;
  }

  boolean ipv6() {
    return local.getAddress() instanceof Inet6Address;
  }

  /** How many there are. */
  int count() {
    return addresses.length;
  }

  /** How many of them, from 0 on, get what is for everybody. */
  int flooded() {
    return flooded;
  }

  /** Where a peer is. */
  InetSocketAddress address(int peer) {
    return addresses[peer];
  }

  /** Which peer sends from there; {@link #NOBODY}, or {@link #OURSELVES}. */
  int find(InetSocketAddress from) {
    if (from != lastFrom) {
      lastPeer = look(from);
      lastFrom = from;
    }
    return lastPeer;
  }

  private int look(InetSocketAddress from) {
    Integer exact = byPort.get(from);
    if (exact != null) {
      return exact;
    }
    if (from.getPort() == local.getPort() && own.contains(from.getAddress())) {
      return OURSELVES;
    }
    Integer peer = byAddress.get(from.getAddress());
    return peer == null || peer == SEVERAL ? NOBODY : peer;
  }

  /** The peer of a station that is known beforehand; {@link #NOBODY} if it is not. */
  int peerOf(long station) {
    int index = stations.length == 0 ? -1 : Arrays.binarySearch(stations, station);
    return index < 0 ? NOBODY : stationPeers[index];
  }
}
