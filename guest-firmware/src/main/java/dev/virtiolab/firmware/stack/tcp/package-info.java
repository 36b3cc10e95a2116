/**
 * TCP: RFC 9293, over the IPv4 of {@link dev.virtiolab.firmware.stack}.
 *
 * <pre>{@code
 * NetworkStack -> IpTransport              the user: send(), receive(), close(), polled
 *                    |                                |              ^
 *                   Tcp -- whose? --> TcpConnection --+--> TcpSender |    una nxt max end
 *                    |                 TcpState       |     CongestionControl, RttEstimator
 *                    |                                +--> TcpReceiver    nxt, what came early
 *               TcpListener                           |
 *                                               SegmentWriter -> IpSender -> NetworkStack
 * }</pre>
 *
 * <p>One thread, the firmware's: the stack calls {@link dev.virtiolab.firmware.stack.tcp.Tcp} with
 * what arrives, with the time, and when something can be sent. Nothing waits, nothing is allocated
 * per segment, and whatever a peer sends is bounded by the two buffers of a connection, the 32 gaps
 * it may leave, and the numbers of connections and listeners.
 *
 * <p>Specifications: RFC 9293 (TCP), RFC 6298 (timer), RFC 5681, 6582 and 3042 (congestion), RFC
 * 7323 section 2 (window scale), RFC 5961 (guessed segments), RFC 6528 and 6056 (numbers and ports
 * not to be guessed), RFC 1191 (path MTU). What is left out, and why that is allowed: ADR 0021.
 */
package dev.virtiolab.firmware.stack.tcp;
