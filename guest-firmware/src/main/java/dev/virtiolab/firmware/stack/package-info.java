/**
 * The network stack on top of the Simple Network Protocol: Ethernet, ARP, IPv4 with fragments both
 * ways, ICMP echo both ways, "destination unreachable" both ways.
 *
 * <pre>{@code
 * SimpleNetwork.receive -> EthernetFrame -> ArpPacket  -> ArpCache
 *                                        -> Ipv4Packet -> Ipv4Reassembler -> IcmpMessage -> Ping
 *                                                                     |           +-> IcmpErrors -+
 *                                                                     +-> IpTransport <-----------+
 *                                                                             |
 * SimpleNetwork.transmit <- TransmitPool <- Ipv4Output <- echo, reply, IpSender
 *                                               +- ArpCache (where to; what waits for that)
 * }</pre>
 *
 * <p>One thread, the firmware's, polls {@link dev.virtiolab.firmware.stack.NetworkStack}. All bytes
 * from the wire are hostile: a received frame is copied once out of guest memory, each view checks
 * its lengths once when it is wrapped, and its accessors cannot fail after that. What does not pass
 * is counted and dropped. Everything that a peer can fill is bounded; an echo that is answered
 * allocates nothing.
 *
 * <p>Specifications: RFC 826 (ARP), RFC 791 (IP), RFC 792 (ICMP), RFC 1071 (checksum), RFC 1122
 * (hosts), RFC 1191 (path MTU), RFC 5722 (overlapping fragments).
 *
 * <p>Left out, and why that is allowed: routing beyond one gateway (RFC 1122 3.3.1 asks no more of
 * a host that the lab gives one interface), IP options (skipped, as RFC 1122 3.2.1.8 lets a host
 * that needs none), ICMP errors other than for a port (RFC 1122 asks hosts to send some, and nobody
 * here misses them), what is broadcast or multicast, IPv6.
 */
package dev.virtiolab.firmware.stack;
