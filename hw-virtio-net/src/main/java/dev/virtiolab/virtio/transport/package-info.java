/**
 * How a virtio device shows itself on PCI: one function with its capabilities, and the four
 * structures behind BAR 4.
 *
 * <pre>
 *            BAR 4, 16 KiB
 *   0x0000  +------------------------+  common configuration: features, status, queues
 *   0x1000  +------------------------+  ISR status: one byte, cleared by reading it
 *   0x2000  +------------------------+  device configuration: mac, status, ...
 *   0x3000  +------------------------+  notify: queue n at 4 * n
 *   0x4000  +------------------------+
 * </pre>
 *
 * <p>A transitional device has the legacy interface too, in as many I/O ports of BAR 0 as its
 * configuration needs; a legacy device has nothing else. Both lead to the same registers ({@link
 * dev.virtiolab.virtio.transport.DeviceKind}).
 *
 * <p>{@link dev.virtiolab.virtio.transport.VirtioPciFunction} is the door; {@link
 * dev.virtiolab.virtio.transport.VirtioDevice} is the seam to what is behind it. Register accesses
 * come from any thread and are serialised by the device's lock, except notify writes, which take no
 * lock. Specification: virtio v1.4, 4.1 "Virtio Over PCI Bus".
 */
package dev.virtiolab.virtio.transport;
