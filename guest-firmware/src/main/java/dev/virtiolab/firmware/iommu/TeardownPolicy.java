package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.uefi.EfiStatus;

/**
 * Who takes the mappings down at ExitBootServices, and when.
 *
 * <p>The seam behind the lab's question, and for a column of its matrix: a policy is armed once, by
 * the firmware, when the IOMMU driver has started and before any device driver has. It creates the
 * events it needs, and never changes a driver. A class that implements this and has a constructor
 * without parameters is all that {@code vlab ebs --with} needs.
 */
public interface TeardownPolicy {

  /** As in reports and on the command line: lower-case words with hyphens between. */
  String name();

  /** What it does, in a line. */
  String title();

  /** Whether there is nothing for it to do on a board without a DMA remapping unit. */
  default boolean needsRemapping() {
    return false;
  }

  /**
   * Creates the policy's events.
   *
   * @return SUCCESS, or what CreateEvent returned; then nothing is left armed
   */
  EfiStatus arm(TeardownSeat seat);
}
