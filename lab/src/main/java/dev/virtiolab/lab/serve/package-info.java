/**
 * The NIC without a machine of the lab's own: handed to a hypervisor or a driver in another
 * process, over a unix socket. Each protocol's server is in the room of what it serves
 * (dev.virtiolab.pci.vfiouser, dev.virtiolab.virtio.vhostuser); here they get a device, a wire and
 * a thread.
 */
package dev.virtiolab.lab.serve;
