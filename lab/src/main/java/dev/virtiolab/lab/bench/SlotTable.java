package dev.virtiolab.lab.bench;

import dev.virtiolab.firmware.iommu.BounceSlots;

/** The IOMMU driver's reserved slots that the bench compares, by name. */
public enum SlotTable {
  /** OVMF's own: enough for a few frames in flight, after which each Map flips C-bits. */
  OVMF("ovmf", BounceSlots.OVMF),
  /** Enough for every request of a full transmit ring. */
  RING("ring", BounceSlots.OVMF),
  /** None, as in 2017: each Map flips C-bits. */
  NONE("none", BounceSlots.NONE);

  private final String label;
  private final BounceSlots slots;

  SlotTable(String label, BounceSlots slots) {
    this.label = label;
    this.slots = slots;
  }

  /** As on the command line, and in JSON. */
  public String label() {
    return label;
  }

  /** The table itself. */
  public BounceSlots slots() {
    return slots;
  }
}
