/**
 * A learning switch: joins any number of back ends, so that several NICs and TAPs share a segment.
 *
 * <pre>
 *   NIC -- plug ==(wire in memory)== port 0 \
 *   NIC -- plug ==(wire in memory)== port 1  >  LearningBridge, polled by one thread
 *   kernel ---------- TAP ---------- port 2 /        FilteringDatabase: station to port
 * </pre>
 *
 * <p>What it does is IEEE 802.1D-2004, clause 7 "Principles of Bridge operation": it relays,
 * filters and learns. It has no spanning tree and takes no notice of VLAN tags.
 *
 * <p>One thread owns a bridge and all its ports: whoever polls it, or a {@link
 * dev.virtiolab.net.bridge.BridgeLoop}. Counters may be read by any.
 */
package dev.virtiolab.net.bridge;
