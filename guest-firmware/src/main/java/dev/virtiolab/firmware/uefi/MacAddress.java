package dev.virtiolab.firmware.uefi;

import java.util.Locale;

/**
 * An Ethernet address.
 *
 * @param bits 48 bits; the first octet on the wire is the most significant
 */
public record MacAddress(long bits) {
  public static final MacAddress BROADCAST = new MacAddress(0xffff_ffff_ffffL);

  public MacAddress {
    if (bits >>> 48 != 0) {
      throw new IllegalArgumentException("more than 48 bits: 0x" + Long.toHexString(bits));
    }
  }

  /** Octet {@code index}, 0 being the first on the wire. */
  public byte octet(int index) {
    return (byte) (bits >>> (40 - 8 * index));
  }

  /** Whether this names a group of stations (broadcast included). */
  public boolean isMulticast() {
    return (bits & 1L << 40) != 0;
  }

  /** Reads {@code 52:54:00:12:34:56}. */
  public static MacAddress parse(String text) {
    String[] octets = text.split(":", -1);
    if (octets.length != 6) {
      throw new IllegalArgumentException("not an Ethernet address: " + text);
    }
    long bits = 0;
    for (String octet : octets) {
      if (!octet.matches("[0-9a-fA-F]{1,2}")) {
        throw new IllegalArgumentException("not an Ethernet address: " + text);
      }
      bits = bits << 8 | Integer.parseInt(octet, 16);
    }
    return new MacAddress(bits);
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(17);
    for (int i = 0; i < 6; i++) {
      text.append(i == 0 ? "" : ":").append(String.format(Locale.ROOT, "%02x", octet(i)));
    }
    return text.toString();
  }
}
