package dev.virtiolab.firmware.uefi;

/**
 * What a mapping is for: EFI_PCI_IO_PROTOCOL_OPERATION, EFI_PCI_ROOT_BRIDGE_IO_PROTOCOL_OPERATION
 * and EDKII_IOMMU_OPERATION in one. The 64-bit kinds say that the device can address above 4 GiB.
 */
public enum DmaOperation {
  BUS_MASTER_READ,
  BUS_MASTER_WRITE,
  BUS_MASTER_COMMON_BUFFER,
  BUS_MASTER_READ64,
  BUS_MASTER_WRITE64,
  BUS_MASTER_COMMON_BUFFER64;

  /** The 64-bit kind of this operation. */
  public DmaOperation dualAddress() {
    return switch (this) {
      case BUS_MASTER_READ, BUS_MASTER_READ64 -> BUS_MASTER_READ64;
      case BUS_MASTER_WRITE, BUS_MASTER_WRITE64 -> BUS_MASTER_WRITE64;
      case BUS_MASTER_COMMON_BUFFER, BUS_MASTER_COMMON_BUFFER64 -> BUS_MASTER_COMMON_BUFFER64;
    };
  }

  /** Whether this is a 64-bit kind. */
  public boolean isDualAddress() {
    return this == dualAddress();
  }
}
