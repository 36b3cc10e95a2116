package dev.virtiolab.firmware.pci;

import dev.virtiolab.firmware.uefi.DmaMapping;

/** A mapping that the root bridge made without an IOMMU, through a buffer below 4 GiB. */
final class BounceMapping implements DmaMapping {
  final RootBridge owner;
  boolean open;
  boolean writesMemory;
  long hostAddress;
  long mappedHostAddress;
  long numberOfBytes;
  long numberOfPages;

  BounceMapping(RootBridge owner) {
    this.owner = owner;
  }
}
