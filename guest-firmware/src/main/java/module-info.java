/** The guest: an OVMF-like firmware that finds a virtio NIC on its PCI bus and drives it. */
module dev.virtiolab.firmware {
  requires transitive dev.virtiolab.pci;
  requires transitive dev.virtiolab.iommu;

  exports dev.virtiolab.firmware;
  exports dev.virtiolab.firmware.core;
  exports dev.virtiolab.firmware.driver;
  exports dev.virtiolab.firmware.exitboot;
  exports dev.virtiolab.firmware.exitboot.driver;
  exports dev.virtiolab.firmware.exitboot.policy;
  exports dev.virtiolab.firmware.handoff;
  exports dev.virtiolab.firmware.iommu;
  exports dev.virtiolab.firmware.mistake;
  exports dev.virtiolab.firmware.net;
  exports dev.virtiolab.firmware.smallnet;
  exports dev.virtiolab.firmware.stack;
  exports dev.virtiolab.firmware.stack.tcp;
  exports dev.virtiolab.firmware.stack.udp;
  exports dev.virtiolab.firmware.uefi;
}
