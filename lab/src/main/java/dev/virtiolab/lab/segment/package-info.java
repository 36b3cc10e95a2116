/**
 * The smallest network there is: the host's TAP, a wire, and a guest behind its NIC; and who pings
 * whom across it.
 *
 * <p>A segment belongs to the thread that opened it. The system's ping runs as a process of its
 * own, the guest's on the guest's thread.
 */
package dev.virtiolab.lab.segment;
