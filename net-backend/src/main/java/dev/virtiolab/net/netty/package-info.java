/**
 * Wires to other processes, by Netty: QEMU's {@code -netdev stream} over TCP and unix sockets, and
 * VXLAN over UDP, to the Linux kernel and to other labs.
 *
 * <pre>
 *   device's thread                                    Netty's thread, one per back end
 *   claim, write, commit --> out: WireRing --batch--> socket     (one wake-up per flush, if it waits)
 *   peek, read, release  <-- in:  WireRing <--bytes-- socket     (reads stop while the ring is full)
 * </pre>
 *
 * <p>A back end has one thread, one event loop and two rings, which it makes when it is opened and
 * lets go of when it is closed. The rings hold the bytes of the wire: a plain socket is read into
 * one and written from the other without a copy in between.
 *
 * <p>Framing: QEMU, net/stream.c and net_fill_rstate() in net/net.c; RFC 7348, 5 "VXLAN Frame
 * Format".
 */
package dev.virtiolab.net.netty;
