/**
 * UDP: RFC 768 and RFC 1122, 4.1, over the IPv4 of {@link dev.virtiolab.firmware.stack}.
 *
 * <pre>{@code
 * NetworkStack -> IpTransport: Udp -- whose port? --> UdpSocket (a bounded queue) -> receive()
 *                   IpSender <- Udp <------------------------------------------- send()
 * }</pre>
 *
 * <p>One thread, the firmware's. Nothing is allocated per datagram. Who sends to a port that nobody
 * has is told so by ICMP, rationed. Left out: broadcast and multicast, which nothing here needs.
 */
package dev.virtiolab.firmware.stack.udp;
