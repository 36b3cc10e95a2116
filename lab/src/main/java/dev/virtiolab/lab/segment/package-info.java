/**
 * The smallest network there is: the host's TAP, a wire, and a guest behind its NIC; and who pings
 * whom across it. Where the host allows no TAP, a stream is the wire; where another process is on
 * the far side, a stream, a datagram socket or a VXLAN segment. And wires alone, joined by a
 * switch.
 *
 * <p>A segment belongs to the thread that opened it. The system's ping runs as a process of its
 * own, the guest's on the guest's thread.
 */
package dev.virtiolab.lab.segment;
