package dev.virtiolab.firmware.net;

import dev.virtiolab.firmware.uefi.MacAddress;

/** Where IP multicast goes on Ethernet: RFC 1112, 6.4 for IPv4, and RFC 2464, 7 for IPv6. */
final class MulticastMac {
  private static final int IPV4_SIZE = 4;
  private static final int IPV6_SIZE = 16;

  private MulticastMac() {}

  /** Whether {@code ip} is a multicast address of its kind: 224.0.0.0/4 or ff00::/8. */
  static boolean isMulticast(boolean ipv6, byte[] ip) {
    if (ip == null || ip.length != (ipv6 ? IPV6_SIZE : IPV4_SIZE)) {
      return false;
    }
    return ipv6 ? ip[0] == (byte) 0xff : (ip[0] & 0xf0) == 0xe0;
  }

  /** 33:33 and the last 32 bits of an IPv6 address, 01:00:5e and the last 23 of an IPv4 one. */
  static MacAddress of(boolean ipv6, byte[] ip) {
    long last32 = 0;
    for (int i = ip.length - 4; i < ip.length; i++) {
      last32 = last32 << Byte.SIZE | ip[i] & 0xff;
    }
    return new MacAddress(
        ipv6 ? 0x3333_0000_0000L | last32 : 0x0100_5e00_0000L | last32 & 0x7fffff);
  }
}
