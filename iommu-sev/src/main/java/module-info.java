/**
 * What stands between a device and memory: identity, encryption, and the platforms made of them.
 */
module dev.virtiolab.iommu {
  requires transitive dev.virtiolab.pci;
  requires org.bouncycastle.lts.prov;

  exports dev.virtiolab.iommu;
  exports dev.virtiolab.iommu.noncoherent;
  exports dev.virtiolab.iommu.sev;
  exports dev.virtiolab.iommu.sev.launch;
  exports dev.virtiolab.iommu.vtd;
}
