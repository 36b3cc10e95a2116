package dev.virtiolab.lab.ebs;

import dev.virtiolab.firmware.core.CoreDefect;
import java.util.Set;

/**
 * How an exploration is done.
 *
 * @param seed keys, frames and data follow from it
 * @param slots whether the IOMMU driver has the reserved slots that it has today, and had not in
 *     2017
 * @param edk2Order whether to run edk2's order only
 * @param defects what is broken in the core on purpose: see that it is noticed
 */
public record Settings(long seed, boolean slots, boolean edk2Order, Set<CoreDefect> defects) {

  /** Every order, slots off, seed 1, nothing broken. */
  public static final Settings USUAL = new Settings(1, false, false, Set.of());

  public Settings {
    defects = Set.copyOf(defects);
  }
}
