package dev.virtiolab.lab.cli;

import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.net.VirtioNetDxe;
import dev.virtiolab.lab.LabException;

/** The value of {@code --bounce-slots}, of each command that has it. */
final class BounceSlotsWord {
  static final String LABEL = "ovmf|ring|none|N";

  static final String DESCRIPTION =
      "the IOMMU driver's reserved shared slots: OVMF's table, which has 4 of 4 KiB; the same with"
          + " as many as a full transmit ring takes, or with N, 1 to 4096; or none, as in 2017"
          + " (default: ${DEFAULT-VALUE})";

  private static final int MOST_SMALL_SLOTS = 4096;

  private BounceSlotsWord() {}

  /**
   * @throws LabException if it is no word or number that is known
   */
  static BounceSlots parse(String word) {
    return switch (word) {
      case "ovmf" -> BounceSlots.OVMF;
      case "ring" -> BounceSlots.ovmfWithSmallSlots(VirtioNetDxe.FULL_RING_MAPPINGS);
      case "none" -> BounceSlots.NONE;
      default -> BounceSlots.ovmfWithSmallSlots(count(word));
    };
  }

  private static int count(String word) {
    try {
      int count = Integer.parseInt(word);
      if (count >= 1 && count <= MOST_SMALL_SLOTS) {
        return count;
      }
    } catch (NumberFormatException e) {
      // Neither a number nor a word: the same line.
    }
    throw LabException.usage(
        "--bounce-slots is ovmf, ring, none or a number from 1 to %d, not %s"
            .formatted(MOST_SMALL_SLOTS, word));
  }
}
