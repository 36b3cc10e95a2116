package dev.virtiolab.iommu.vtd;

/**
 * What a remapping unit did so far.
 *
 * @param translating whether translation is on now
 * @param faults accesses refused by it
 * @param faultsNotRecorded of these, those that found no free fault recording register, or whose
 *     context asked for no record
 * @param iotlbHits resolutions that a cached translation served
 * @param iotlbMisses resolutions that read the tables
 * @param iotlbEntries translations that are cached now
 * @param contextInvalidations commands to forget contexts
 * @param iotlbInvalidations commands to forget translations
 */
public record VtdCounters(
    boolean translating,
    long faults,
    long faultsNotRecorded,
    long iotlbHits,
    long iotlbMisses,
    long iotlbEntries,
    long contextInvalidations,
    long iotlbInvalidations) {}
