/**
 * The virtio-net device as a hypervisor emulates it, in layers that know nothing of those above
 * them:
 *
 * <pre>
 *   net         the device: frames between two queues and a back end
 *   transport   one PCI function: capabilities, registers, interrupts
 *   queue       split virtqueues, device side
 *   feature     feature bits and the device status field
 * </pre>
 *
 * <p>The transport reaches the device above it through {@link
 * dev.virtiolab.virtio.transport.VirtioDevice}. Frames move on the thread that polls the device;
 * registers are accessed from any.
 *
 * <p>Specification: OASIS virtio v1.4, committee specification 01.
 */
package dev.virtiolab.virtio;
