package dev.virtiolab.net;

import dev.virtiolab.net.netty.VxlanConfig;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads what follows {@code vxlan:}.
 *
 * <pre>
 *   HOST[:PORT]                  where this end is; an IPv6 address in brackets
 *   ,vni=N                       which segment, 0 to 16777215
 *   ,peer=HOST[:PORT]            a host that is on it; any number of them
 *   ,mac=ADDRESS@HOST[:PORT]     where a station is, known beforehand; any number of them
 *   ,learning=off                stations are not learned
 *   ,ageing=SECONDS              how long a silent station is remembered
 *   ,table=N                     how many stations are, a power of two
 *   ,storm=N                     frames for everybody in a second; 0: no limit
 * </pre>
 *
 * <p>A port that is not said is the local one, and that is {@value VxlanConfig#DEFAULT_PORT}.
 */
final class VxlanSpec {
  private static final int MAX_PORT = 65_535;
  private static final int MAX_AGEING_SECONDS = 86_400;
  private static final int MAX_TABLE = 1 << 20;
  private static final int MAX_STORM = 10_000_000;
  private static final String MAC = "([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}";
  private static final long GROUP_BIT = 1L << 40;

  private final String text;

  private VxlanSpec(String text) {
    this.text = text;
  }

  /**
   * @param text the whole, for the message
   * @throws BackendSpecException if it cannot be read
   */
  static VxlanConfig parse(String text, String argument) {
    return new VxlanSpec(text).config(argument);
  }

  private VxlanConfig config(String argument) {
    String[] words = argument.split(",", -1);
    VxlanConfig.Host local = host(words[0], VxlanConfig.DEFAULT_PORT);
    int vni = -1;
    List<VxlanConfig.Host> peers = new ArrayList<>();
    List<VxlanConfig.Station> stations = new ArrayList<>();
    boolean learns = true;
    Duration ageing = VxlanConfig.DEFAULT_AGEING;
    int table = VxlanConfig.DEFAULT_TABLE_SIZE;
    int storm = VxlanConfig.DEFAULT_STORM;
    for (int i = 1; i < words.length; i++) {
      int equals = words[i].indexOf('=');
      String name = equals < 0 ? words[i] : words[i].substring(0, equals);
      String value = equals < 0 ? "" : words[i].substring(equals + 1);
      switch (name) {
        case "vni" -> vni = number(name, value, 0, VxlanConfig.MAX_VNI);
        case "peer" -> peers.add(peer(value, local));
        case "mac" -> stations.add(station(value, local, stations));
        case "learning" -> learns = onOrOff(value);
        case "ageing" -> ageing = Duration.ofSeconds(number(name, value, 1, MAX_AGEING_SECONDS));
        case "table" -> table = powerOfTwo(number(name, value, 8, MAX_TABLE));
        case "storm" -> storm = number(name, value, 0, MAX_STORM);
        default ->
            throw refuse(
                "no option '"
                    + words[i]
                    + "': there are vni=N, peer=HOST, mac=ADDRESS@HOST, learning=off,"
                    + " ageing=SECONDS, table=N and storm=N");
      }
    }
    if (vni < 0) {
      throw refuse("it needs the segment's number, vni=N");
    }
    if (peers.isEmpty() && stations.isEmpty()) {
      throw refuse("it needs another host, peer=HOST");
    }
    return new VxlanConfig(local, vni, peers, stations, learns, ageing, table, storm);
  }

  private VxlanConfig.Host peer(String word, VxlanConfig.Host local) {
    VxlanConfig.Host peer = host(word, local.port());
    if (peer.equals(local)) {
      throw refuse("its own address is the peer's");
    }
    return peer;
  }

  private VxlanConfig.Station station(
      String word, VxlanConfig.Host local, List<VxlanConfig.Station> others) {
    int at = word.indexOf('@');
    if (at < 0 || !word.substring(0, at).matches(MAC)) {
      throw refuse("mac is ADDRESS@HOST, such as 52:54:00:12:34:56@10.0.0.2, not '" + word + "'");
    }
    long address = Long.parseLong(word.substring(0, at).replace(":", ""), 16);
    if (address == 0 || (address & GROUP_BIT) != 0) {
      throw refuse("mac names one station, not " + word.substring(0, at));
    }
    if (others.stream().anyMatch(other -> other.address() == address)) {
      throw refuse("a station is at one host: " + word.substring(0, at));
    }
    return new VxlanConfig.Station(address, peer(word.substring(at + 1), local));
  }

  private VxlanConfig.Host host(String word, int defaultPort) {
    int end = word.startsWith("[") ? word.indexOf(']') + 1 : word.indexOf(':');
    if (word.startsWith("[") && end == 0) {
      throw refuse("a bracket is not closed: '" + word + "'");
    }
    String host = end < 0 ? word : word.substring(0, end);
    String rest = end < 0 ? "" : word.substring(end);
    if (host.startsWith("[")) {
      host = host.substring(1, host.length() - 1);
      if (host.indexOf(':') < 0) {
        throw refuse("in brackets there is an IPv6 address");
      }
    } else if (rest.indexOf(':', 1) > 0) {
      throw refuse("an IPv6 address is written in brackets: [::1]");
    }
    if (host.isEmpty()) {
      throw refuse("it needs HOST or HOST:PORT");
    }
    if (rest.isEmpty()) {
      return new VxlanConfig.Host(host, defaultPort);
    }
    if (!rest.startsWith(":")) {
      throw refuse("an address is HOST or HOST:PORT, not '" + word + "'");
    }
    return new VxlanConfig.Host(host, number("a port", rest.substring(1), 1, MAX_PORT));
  }

  private boolean onOrOff(String word) {
    return switch (word) {
      case "on" -> true;
      case "off" -> false;
      default -> throw refuse("learning is on or off, not '" + word + "'");
    };
  }

  private int powerOfTwo(int number) {
    if (Integer.bitCount(number) != 1) {
      throw refuse("table is a power of two, not " + number);
    }
    return number;
  }

  private int number(String name, String word, int min, int max) {
    // Few digits, and no sign.
    if (!word.matches("[0-9]{1,9}")
        || Integer.parseInt(word) < min
        || Integer.parseInt(word) > max) {
      throw refuse(name + " is from " + min + " to " + max + ", not '" + word + "'");
    }
    return Integer.parseInt(word);
  }

  private BackendSpecException refuse(String reason) {
    return new BackendSpecException(text, reason);
  }
}
