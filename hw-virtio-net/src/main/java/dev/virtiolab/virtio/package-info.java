/** The virtio-net device as a hypervisor emulates it. */
package dev.virtiolab.virtio;
