package dev.virtiolab.firmware.pci;

import dev.virtiolab.firmware.iommu.PooledMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;

/**
 * A mapping that the root bridge made without an IOMMU: of a buffer that the device can reach where
 * it lies, or through one below 4 GiB.
 *
 * <p>Unlike in edk2, where one value stands for every mapping that needed nothing, each is an
 * object of its own, so that whoever is told of it can tell it from others, and a second Unmap is
 * seen for what it is.
 */
final class RootBridgeMapping extends PooledMapping<RootBridgeMapping> {
  long hostAddress;

  /** Where the device reaches the bytes instead, or 0 where it reaches the client's buffer. */
  long bounceAddress;

  /** Of the bounce buffer. */
  long numberOfPages;

  /** A client's wish, of the kind whose address has 32 bits. */
  void wish(DmaOperation wished, long address, long bytes) {
    operation = wished;
    hostAddress = address;
    numberOfBytes = bytes;
    bounceAddress = 0;
  }

  long bytes() {
    return numberOfBytes;
  }

  @Override
  protected void forget() {}
}
