package dev.virtiolab.lab.ebs;

import dev.virtiolab.iommu.PlatformKind;
import java.util.List;

/**
 * What came of a policy and a driver in a circumstance, in edk2's order.
 *
 * @param invariants those that broke
 * @param seen what was checked, a line each: what the first call returned, which handlers ran,
 *     whether a timer fired, whether DMA still worked, what the second call returned
 */
public record Encounter(
    Circumstance circumstance,
    String policy,
    String driver,
    PlatformKind platform,
    Verdict verdict,
    List<Invariant> invariants,
    List<String> seen) {}
