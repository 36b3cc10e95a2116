package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;

/**
 * Who takes the mappings down at ExitBootServices, and when.
 *
 * <p>The seam behind the lab's question: a policy arms itself once, when the IOMMU driver starts,
 * by creating the events it needs. It never changes a driver.
 */
public interface TeardownPolicy {

  /** As in reports and on the command line. */
  String name();

  /**
   * Creates the policy's events.
   *
   * @return SUCCESS, or what CreateEvent returned; then nothing is left armed
   */
  EfiStatus arm(BootServices bootServices, MappingTeardown teardown);
}
