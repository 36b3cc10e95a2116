package dev.virtiolab.firmware.stack;

import java.util.Optional;

/**
 * What a host knows of its link: its address, which others are on the link, and who takes what is
 * for the rest (RFC 1122, 3.3.1 "Routing Outbound Datagrams").
 *
 * @param address this host's
 * @param prefix how many leading bits an address on the link shares with ours, 0 to 32; 0: everyone
 *     is on the link
 * @param gateway where what is not for the link goes; empty: nowhere
 */
public record Ipv4Interface(Ipv4Address address, int prefix, Optional<Ipv4Address> gateway) {
  private static final String VIA = ",via=";
  private static final int ADDRESS_BITS = 32;

  /**
   * @throws IllegalArgumentException if the address is no host's, the prefix out of range, or the
   *     gateway not another host on the link
   */
  public Ipv4Interface {
    if (prefix < 0 || prefix > ADDRESS_BITS) {
      throw new IllegalArgumentException("prefix of " + prefix + " bits, 0 to 32");
    }
    int mask = mask(prefix);
    if (!isHost(address, mask)) {
      throw new IllegalArgumentException(address + "/" + prefix + " is no host's address");
    }
    if (gateway.isPresent()) {
      Ipv4Address via = gateway.get();
      boolean near = ((via.bits() ^ address.bits()) & mask) == 0;
      if (!near || via.equals(address) || !isHost(via, mask)) {
        throw new IllegalArgumentException(
            "gateway " + via + " is not another host on the link of " + address + "/" + prefix);
      }
    }
  }

  /** A host on a link with everyone. */
  public static Ipv4Interface onLink(Ipv4Address address) {
    return new Ipv4Interface(address, 0, Optional.empty());
  }

  /**
   * Reads {@code 10.0.0.2}, {@code 10.0.0.2/24} or {@code 10.0.0.2/24,via=10.0.0.1}.
   *
   * @throws IllegalArgumentException if it is none of them
   */
  public static Ipv4Interface parse(String text) {
    int comma = text.indexOf(VIA);
    String own = comma < 0 ? text : text.substring(0, comma);
    Optional<Ipv4Address> gateway =
        comma < 0
            ? Optional.empty()
            : Optional.of(Ipv4Address.parse(text.substring(comma + VIA.length())));
    int slash = own.indexOf('/');
    if (slash < 0) {
      return new Ipv4Interface(Ipv4Address.parse(own), 0, gateway);
    }
    String prefix = own.substring(slash + 1);
    if (!prefix.matches("[0-9]{1,2}")) {
      throw new IllegalArgumentException("not a prefix length: " + prefix);
    }
    return new Ipv4Interface(
        Ipv4Address.parse(own.substring(0, slash)), Integer.parseInt(prefix), gateway);
  }

  /**
   * Who is to be asked for by ARP for what is for {@code destination}; 0 if there is no way there.
   */
  int nextHop(int destination) {
    if (((destination ^ address.bits()) & mask(prefix)) == 0) {
      return destination;
    }
    return gateway.isPresent() ? gateway.get().bits() : 0;
  }

  /** Whether {@code bits} can be a host's: no link's own address, and not everyone's on ours. */
  boolean isHost(int bits) {
    boolean near = prefix != 0 && ((bits ^ address.bits()) & mask(prefix)) == 0;
    return near ? isHost(bits, mask(prefix)) : Ipv4Address.isHost(bits);
  }

  private static boolean isHost(Ipv4Address address, int mask) {
    return isHost(address.bits(), mask);
  }

  /** RFC 1122, 3.2.1.3; a link of one or two hosts (RFC 3021) has no broadcast address. */
  private static boolean isHost(int bits, int mask) {
    if (mask == 0 || ~mask == 0 || ~mask == 1) {
      return Ipv4Address.isHost(bits);
    }
    int host = bits & ~mask;
    return Ipv4Address.isHost(bits) && host != 0 && host != ~mask;
  }

  private static int mask(int prefix) {
    // A shift by 32 would be one by 0.
    return prefix == 0 ? 0 : -1 << ADDRESS_BITS - prefix;
  }

  @Override
  public String toString() {
    return address + (prefix == 0 ? "" : "/" + prefix) + gateway.map(via -> VIA + via).orElse("");
  }
}
