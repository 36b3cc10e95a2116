/**
 * The split virtqueue, device side. It knows no transport and no device type.
 *
 * <p>Specification: virtio v1.4 cs01, section 2.7 "Split Virtqueues".
 */
package dev.virtiolab.virtio.queue;
