package dev.virtiolab.lab.dmacheck;

import dev.virtiolab.firmware.mistake.Mistake;
import dev.virtiolab.iommu.PlatformKind;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * What came of one mistake on one platform.
 *
 * @param evidence everything that was seen, in the order in which it was first seen
 */
public record Cell(
    Mistake mistake, PlatformKind platform, Verdict verdict, List<Evidence> evidence) {

  /**
   * Draws the verdict: how it first shows to anybody; else whether the lab saw something; else that
   * nothing was there to see.
   */
  static Cell of(Mistake mistake, PlatformKind platform, List<Evidence> evidence) {
    Optional<Evidence> first =
        evidence.stream()
            .filter(seen -> seen.sign().shows())
            .min(Comparator.comparingLong(Evidence::atNanos));
    Verdict verdict =
        first
            .map(seen -> seen.sign().verdict())
            .orElse(
                !evidence.isEmpty()
                    ? Verdict.UNNOTICED
                    : mistake == Mistake.NONE ? Verdict.WORKS : Verdict.HARMLESS);
    return new Cell(mistake, platform, verdict, List.copyOf(evidence));
  }
}
