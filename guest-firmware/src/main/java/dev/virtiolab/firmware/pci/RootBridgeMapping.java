package dev.virtiolab.firmware.pci;

import dev.virtiolab.firmware.uefi.DmaMapping;

/**
 * A mapping that the root bridge made without an IOMMU: of a buffer that the device can reach where
 * it lies, or through one below 4 GiB.
 *
 * <p>Unlike in edk2, where one value stands for every mapping that needed nothing, each is an
 * object of its own, so that whoever is told of it can tell it from others, and a second Unmap is
 * seen for what it is.
 */
final class RootBridgeMapping implements DmaMapping {
  /** Those that wait to be used again, so that Map allocates nothing once as many exist. */
  static final class Pool {
    /** A mapping is not used again before so many others were released after it. */
    static final int QUARANTINE = 64;

    private RootBridgeMapping longestReleased;
    private RootBridgeMapping lastReleased;
    private int released;

    /** An open mapping to fill in. */
    RootBridgeMapping acquire() {
      RootBridgeMapping mapping = longestReleased;
      if (released <= QUARANTINE) {
        mapping = new RootBridgeMapping(this);
      } else {
        longestReleased = mapping.next;
        mapping.next = null;
        released--;
      }
      mapping.open = true;
      return mapping;
    }

    /** The open mapping of this pool that {@code mapping} is, or null. */
    RootBridgeMapping find(DmaMapping mapping) {
      return mapping instanceof RootBridgeMapping ours && ours.owner == this && ours.open
          ? ours
          : null;
    }

    /** Closes a mapping, to be used again some time. */
    void release(RootBridgeMapping mapping) {
      mapping.open = false;
      if (released == 0) {
        longestReleased = mapping;
      } else {
        lastReleased.next = mapping;
      }
      lastReleased = mapping;
      released++;
    }
  }

  private final Pool owner;
  private RootBridgeMapping next;
  private boolean open;

  /** Where the device reaches the bytes instead, or 0 where it reaches the client's buffer. */
  long bounceAddress;

  // Of one that bounces:
  boolean writesMemory;
  long hostAddress;
  long numberOfBytes;
  long numberOfPages;

  private RootBridgeMapping(Pool owner) {
    this.owner = owner;
  }
}
