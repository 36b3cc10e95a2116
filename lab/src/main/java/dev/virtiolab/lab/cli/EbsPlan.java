package dev.virtiolab.lab.cli;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.ebs.Explorer.Task;
import java.util.List;

/**
 * What {@code vlab ebs} is to run.
 *
 * @param cells by platform, then policy, then drivers: one driver first, then two, then three
 * @param encounters a policy and one driver each, to be called in every circumstance
 * @param summarized whether there are so many machines with several cards that they are counted,
 *     not shown one by one
 * @param single whether it is about one policy and the drivers of one machine, named by the user
 */
record EbsPlan(List<Task> cells, List<Task> encounters, boolean summarized, boolean single) {

  /** What edk2 adopted in 2017, and whose driver it was for. */
  static final String ADOPTED_POLICY = "requeue-callback";

  static final String ADOPTED_DRIVER = "virtio-net";

  /** The platforms that are shown unless the user names others. */
  static final List<PlatformKind> USUAL_PLATFORMS = List.of(PlatformKind.SEV, PlatformKind.VTD);

  /** Where pairs and triples are shown unless the user names other platforms. */
  static final PlatformKind USUAL_OF_TUPLES = PlatformKind.SEV;

  EbsPlan {
    cells = List.copyOf(cells);
    encounters = List.copyOf(encounters);
  }
}
