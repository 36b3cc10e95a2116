package dev.virtiolab.firmware.stack;

/**
 * An IPv4 address.
 *
 * @param bits the first octet of the dotted form is the most significant
 */
public record Ipv4Address(int bits) {
  private static final int OCTETS = 4;

  /** Whether a host may have it: not 0/8, 127/8, nor from 224 up (RFC 1122, 3.2.1.3). */
  public boolean isHost() {
    return isHost(bits);
  }

  static boolean isHost(int bits) {
    int first = bits >>> 24;
    return first != 0 && first != 127 && first < 224;
  }

  /**
   * Reads {@code 10.0.0.2}.
   *
   * @throws IllegalArgumentException if it is no address
   */
  public static Ipv4Address parse(String text) {
    String[] octets = text.split("\\.", -1);
    if (octets.length != OCTETS) {
      throw new IllegalArgumentException("not an IPv4 address: " + text);
    }
    int bits = 0;
    for (String octet : octets) {
      if (!octet.matches("0|[1-9][0-9]{0,2}") || Integer.parseInt(octet) > 255) {
        throw new IllegalArgumentException("not an IPv4 address: " + text);
      }
      bits = bits << 8 | Integer.parseInt(octet);
    }
    return new Ipv4Address(bits);
  }

  @Override
  public String toString() {
    return (bits >>> 24)
        + "."
        + (bits >>> 16 & 0xff)
        + "."
        + (bits >>> 8 & 0xff)
        + "."
        + (bits & 0xff);
  }
}
