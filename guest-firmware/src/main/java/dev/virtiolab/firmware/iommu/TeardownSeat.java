package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.uefi.BootServices;

/** Where a {@link TeardownPolicy} sits: all that it has to work with. */
public interface TeardownSeat {

  /** To create and signal events with. */
  BootServices bootServices();

  /** What the IOMMU driver has mapped; on a board without an IOMMU, the root bridge. */
  MappingTeardown mappings();

  /**
   * Has {@code last} run when ExitBootServices is about to return success: after every handler, and
   * with boot services gone. UEFI has no such hook; it was proposed on edk2-devel in September 2017
   * and not adopted.
   */
  void atReturn(Runnable last);

  /**
   * Has the PCI bus driver clear the Bus Master Enable of every function that is no bridge, one
   * after the other. What they had enabled before is not remembered.
   */
  void disableBusMasters();
}
