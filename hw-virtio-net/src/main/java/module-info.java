/** The virtio-net device: virtqueues, the PCI transport, the NIC. */
module dev.virtiolab.virtio {
  requires transitive dev.virtiolab.pci;
  requires transitive dev.virtiolab.net;
  requires dev.virtiolab.posix;

  exports dev.virtiolab.virtio.feature;
  exports dev.virtiolab.virtio.net;
  exports dev.virtiolab.virtio.queue;
  exports dev.virtiolab.virtio.transport;
  exports dev.virtiolab.virtio.vhostuser;
}
