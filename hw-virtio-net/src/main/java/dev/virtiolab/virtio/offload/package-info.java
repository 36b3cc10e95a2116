/**
 * Checksums and segments in software: what {@link dev.virtiolab.net.Offload} leaves to do, for a
 * wire that does not do it and for a driver that does not take it. It knows frames, and no queue.
 *
 * <p>Whoever drives the device owns the objects; each works for one direction. The fields of a
 * frame's work are the driver's, and are believed only once they were held against the frame.
 *
 * <p>Specification: virtio v1.4, 5.1.6.2 "Packet Transmission"; RFC 791, 768, 1071, 3168, 8200 and
 * 9293 for what a piece looks like.
 */
package dev.virtiolab.virtio.offload;
