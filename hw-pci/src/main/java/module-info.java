/** Guest-physical memory and PCI: what is on the board, before anybody plugs a card in. */
module dev.virtiolab.pci {
  requires transitive dev.virtiolab.posix;
  requires tools.jackson.databind;

  exports dev.virtiolab.pci.config;
  exports dev.virtiolab.pci.cpu;
  exports dev.virtiolab.pci.function;
  exports dev.virtiolab.pci.host;
  exports dev.virtiolab.pci.memory;
  exports dev.virtiolab.pci.qtest;
  exports dev.virtiolab.pci.vfiouser;
}
