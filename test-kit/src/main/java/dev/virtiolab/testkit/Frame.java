package dev.virtiolab.testkit;

import dev.virtiolab.firmware.uefi.MacAddress;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;

/**
 * An Ethernet frame without preamble and checksum, or the beginning of one. It is what a test makes
 * or gets: any bytes. What is asked of a frame that is too short for it is 0 or empty.
 */
public final class Frame {
  // IEEE 802.3-2022, 3.1.1 "Packet format"; 802.1Q-2022, 9.6 "VLAN Tag Control Information".
  private static final int SOURCE = 6;
  private static final int ETHERTYPE = 12;
  private static final int HEADER_BYTES = 14;
  private static final int TAG_BYTES = 4;
  private static final int ETHERTYPE_VLAN = 0x8100;
  private static final int ETHERTYPE_ARP = 0x0806;
  private static final int ETHERTYPE_IPV4 = 0x0800;
  private static final int ETHERTYPE_IPV6 = 0x86dd;

  // RFC 791, 3.1 "Internet Header Format".
  private static final int IP_LEAST_BYTES = 20;
  private static final int IP_FRAGMENT = 6;
  private static final int IP_FRAGMENT_OFFSET = 0x1fff;
  private static final int IP_PROTOCOL = 9;
  private static final int ICMP = 1;
  private static final int TCP = 6;
  private static final int UDP = 17;

  // RFC 792, "Echo or Echo Reply Message".
  private static final int ICMP_ECHO_BYTES = 8;
  private static final int ECHO_REPLY = 0;
  private static final int ECHO_REQUEST = 8;

  /**
   * An ICMP echo message (RFC 792).
   *
   * @param request whether it asks; else it answers
   */
  public record Echo(boolean request, int identifier, int sequence) {}

  private final byte[] bytes;
  private final int length;

  private Frame(byte[] bytes, int length) {
    this.bytes = bytes;
    this.length = length;
  }

  /** A frame of these bytes. */
  public static Frame of(byte[] bytes) {
    return new Frame(bytes.clone(), bytes.length);
  }

  /**
   * A frame of these hexadecimal digits; blanks between them mean nothing.
   *
   * @throws IllegalArgumentException if they are none
   */
  public static Frame of(String hex) {
    byte[] bytes = HexFormat.of().parseHex(hex.replaceAll("\\s", ""));
    return new Frame(bytes, bytes.length);
  }

  /** A copy of at most {@code most} bytes of a frame. */
  static Frame copy(MemorySegment memory, long at, int length, int most) {
    byte[] bytes = new byte[Math.min(length, most)];
    MemorySegment.copy(memory, at, MemorySegment.ofArray(bytes), 0, bytes.length);
    return new Frame(bytes, length);
  }

  /** What is known of it: all, or the beginning. A copy. */
  public byte[] bytes() {
    return bytes.clone();
  }

  /** Bytes on the wire. */
  public int length() {
    return length;
  }

  public MacAddress destination() {
    return new MacAddress(address(0));
  }

  public MacAddress source() {
    return new MacAddress(address(SOURCE));
  }

  /** Type or length, behind the VLAN tag if there is one. */
  public int etherType() {
    return number(payload() - 2, 2);
  }

  /** The VLAN that a tag names. */
  public Optional<Integer> vlan() {
    return tagged() ? Optional.of(number(HEADER_BYTES, 2) & 0xfff) : Optional.empty();
  }

  /** The echo message in it, if it is one, and its first fragment. */
  public Optional<Echo> echo() {
    int ip = payload();
    int icmp = ip + (octet(ip) & 0xf) * 4;
    boolean first = (number(ip + IP_FRAGMENT, 2) & IP_FRAGMENT_OFFSET) == 0;
    int type = octet(icmp);
    if (etherType() != ETHERTYPE_IPV4
        || icmp < ip + IP_LEAST_BYTES
        || icmp + ICMP_ECHO_BYTES > bytes.length
        || octet(ip + IP_PROTOCOL) != ICMP
        || !first
        || type != ECHO_REQUEST && type != ECHO_REPLY) {
      return Optional.empty();
    }
    return Optional.of(new Echo(type == ECHO_REQUEST, number(icmp + 4, 2), number(icmp + 6, 2)));
  }

  private boolean tagged() {
    return number(ETHERTYPE, 2) == ETHERTYPE_VLAN;
  }

  private int payload() {
    return tagged() ? HEADER_BYTES + TAG_BYTES : HEADER_BYTES;
  }

  private int octet(int at) {
    return at >= 0 && at < bytes.length ? bytes[at] & 0xff : 0;
  }

  private int number(int at, int octets) {
    int value = 0;
    for (int i = 0; i < octets; i++) {
      value = value << Byte.SIZE | octet(at + i);
    }
    return value;
  }

  private long address(int at) {
    return (long) number(at, 2) << Integer.SIZE | Integer.toUnsignedLong(number(at + 2, 4));
  }

  /** In hexadecimal, as {@link #of(String)} reads it. */
  public String hex() {
    return HexFormat.of().formatHex(bytes);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Frame frame
        && length == frame.length
        && Arrays.equals(bytes, frame.bytes);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(bytes);
  }

  /** What it is, in a few words. */
  @Override
  public String toString() {
    return echo()
            .map(
                echo ->
                    "echo %s icmp_seq=%d"
                        .formatted(echo.request ? "request" : "reply", echo.sequence))
            .orElseGet(this::kind)
        + ", "
        + length
        + " bytes";
  }

  private String kind() {
    return switch (etherType()) {
      case ETHERTYPE_ARP -> "ARP";
      case ETHERTYPE_IPV6 -> "IPv6";
      case ETHERTYPE_IPV4 ->
          switch (octet(payload() + IP_PROTOCOL)) {
            case ICMP -> "ICMP";
            case TCP -> "TCP";
            case UDP -> "UDP";
            default -> "IPv4";
          };
      default -> "EtherType 0x%04x".formatted(etherType());
    };
  }
}
