/**
 * The network stack on top of the Simple Network Protocol: Ethernet, ARP, IPv4 with fragments both
 * ways, ICMP echo both ways.
 *
 * <pre>{@code
 * SimpleNetwork.receive -> EthernetFrame -> ArpPacket  -> ArpCache
 *                                        -> Ipv4Packet -> Ipv4Reassembler -> IcmpMessage -> Ping
 * SimpleNetwork.transmit <- TransmitPool <- fragments <- ArpCache (waiting) <- echo, reply
 * }</pre>
 *
 * <p>One thread, the firmware's, polls {@link dev.virtiolab.firmware.stack.NetworkStack}. All bytes
 * from the wire are hostile: a received frame is copied once out of guest memory, each view checks
 * its lengths once when it is wrapped, and its accessors cannot fail after that. What does not pass
 * is counted and dropped. Everything that a peer can fill is bounded; an echo that is answered
 * allocates nothing.
 *
 * <p>Specifications: RFC 826 (ARP), RFC 791 (IP), RFC 792 (ICMP), RFC 1071 (checksum), RFC 1122
 * (hosts), RFC 5722 (overlapping fragments).
 *
 * <p>Left out, and why that is allowed: routing (every peer is on the link; the lab's are), IP
 * options (skipped, as RFC 1122 3.2.1.8 lets a host that needs none), ICMP errors (RFC 1122 asks
 * hosts to send some, and a ping misses none), multicast, TCP and UDP.
 */
package dev.virtiolab.firmware.stack;
