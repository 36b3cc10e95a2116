package dev.virtiolab.net.netty;

import java.time.Duration;
import java.util.List;

/**
 * What kind of VXLAN segment, and who is on it.
 *
 * @param local where datagrams are received, and sent from
 * @param vni the segment's number, from 0 to {@value #MAX_VNI}
 * @param peers the hosts that a frame goes to whose receiver is a group, or not known
 * @param stations whose host is known beforehand, and never learned otherwise. A host that is named
 *     only here is a peer, and gets nothing but what is for its stations
 * @param learns whether a station is sought where it was heard
 * @param ageing how long a silent station is remembered
 * @param tableSize how many stations are remembered at most, a power of two, at least 8
 * @param stormFramesPerSecond how many frames for a group, or for a station that is not known, go
 *     out in a second, and come in from each peer; 0: as many as there are
 */
public record VxlanConfig(
    Host local,
    int vni,
    List<Host> peers,
    List<Station> stations,
    boolean learns,
    Duration ageing,
    int tableSize,
    int stormFramesPerSecond) {

  /** The port that IANA gave it; the Linux kernel's own default, of before that, is 8472. */
  public static final int DEFAULT_PORT = 4789;

  /** The largest VNI: it has 24 bits. */
  public static final int MAX_VNI = 0xff_ffff;

  /** As the kernel's, and a bridge's. */
  public static final Duration DEFAULT_AGEING = Duration.ofSeconds(300);

  /** Stations that are remembered, unless it is told otherwise. */
  public static final int DEFAULT_TABLE_SIZE = 4096;

  /** The bound on a storm, unless it is told otherwise. */
  public static final int DEFAULT_STORM = 10_000;

  /**
   * One end of a tunnel.
   *
   * @param name host name or address, an IPv6 address without its brackets
   * @param port from 1 to 65535
   */
  public record Host(String name, int port) {
    @Override
    public String toString() {
      return (name.indexOf(':') < 0 ? name : "[" + name + "]") + ":" + port;
    }
  }

  /**
   * A station that is known beforehand.
   *
   * @param address in the low 48 bits, its first octet highest
   */
  public record Station(long address, Host host) {}

  /**
   * @throws IllegalArgumentException if the VNI or a number is out of range, or there is no peer
   */
  public VxlanConfig {
    peers = List.copyOf(peers);
    stations = List.copyOf(stations);
    if (vni < 0 || vni > MAX_VNI) {
      throw new IllegalArgumentException("a VNI is from 0 to " + MAX_VNI + ", not " + vni);
    }
    if (peers.isEmpty() && stations.isEmpty()) {
      throw new IllegalArgumentException("it needs a peer");
    }
    if (ageing.isNegative() || ageing.isZero()) {
      throw new IllegalArgumentException("ageing is more than 0 seconds");
    }
    if (tableSize < 8 || Integer.bitCount(tableSize) != 1) {
      throw new IllegalArgumentException("table is a power of two from 8, not " + tableSize);
    }
    if (stormFramesPerSecond < 0) {
      throw new IllegalArgumentException("storm is not below 0");
    }
  }

  /** A segment between {@code local} and {@code peers}, all else as it is by default. */
  public static VxlanConfig of(Host local, int vni, List<Host> peers) {
    return new VxlanConfig(
        local, vni, peers, List.of(), true, DEFAULT_AGEING, DEFAULT_TABLE_SIZE, DEFAULT_STORM);
  }

  /** The same with stations that are known beforehand. */
  public VxlanConfig withStations(List<Station> known) {
    return new VxlanConfig(
        local, vni, peers, known, learns, ageing, tableSize, stormFramesPerSecond);
  }

  /** The same without learning. */
  public VxlanConfig withoutLearning() {
    return new VxlanConfig(
        local, vni, peers, stations, false, ageing, tableSize, stormFramesPerSecond);
  }

  /** The same with another memory for stations. */
  public VxlanConfig withTable(int size, Duration time) {
    return new VxlanConfig(local, vni, peers, stations, learns, time, size, stormFramesPerSecond);
  }

  /** The same with another bound on a storm; 0: none. */
  public VxlanConfig withStorm(int framesPerSecond) {
    return new VxlanConfig(local, vni, peers, stations, learns, ageing, tableSize, framesPerSecond);
  }

  /** As on the command line, without what is seldom given. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("vxlan:" + local + ",vni=" + vni);
    peers.forEach(peer -> text.append(",peer=").append(peer));
    return text.toString();
  }
}
