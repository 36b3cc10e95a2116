package dev.virtiolab.lab.bench;

import dev.virtiolab.firmware.iommu.BounceSlots;

/**
 * A table of the IOMMU driver's reserved slots, and its name.
 *
 * @param label as on the command line, and in JSON
 */
public record SlotTable(String label, BounceSlots slots) {
  /** What the driver has unless it is told otherwise. */
  public static final SlotTable OVMF = new SlotTable("ovmf", BounceSlots.OVMF);
}
