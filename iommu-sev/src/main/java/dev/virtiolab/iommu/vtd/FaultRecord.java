package dev.virtiolab.iommu.vtd;

import dev.virtiolab.pci.config.PciAddress;
import dev.virtiolab.pci.memory.DmaAccess;

/**
 * An access that the unit refused.
 *
 * @param sourceId the requester, as in PCI: {@code bus << 8 | device << 3 | function}
 * @param address the bus address, all of it; a fault recording register has only its page
 */
public record FaultRecord(int sourceId, long address, DmaAccess access, FaultReason reason) {

  /** As in reports. */
  @Override
  public String toString() {
    return "%s %s address=0x%x reason=%s"
        .formatted(
            PciAddress.ofRequesterId(sourceId),
            access == DmaAccess.READ ? "read" : "write",
            address,
            reason);
  }
}
