/**
 * The virtio-net device as a hypervisor emulates it, in layers that know only the one below:
 *
 * <pre>
 *   transport   one PCI function: capabilities, registers, interrupts
 *   net         the device: frames between two queues and a back end
 *   queue       split virtqueues, device side
 *   feature     feature bits and the device status field
 * </pre>
 *
 * <p>Specification: OASIS virtio v1.4, committee specification 01.
 */
package dev.virtiolab.virtio;
