package dev.virtiolab.iommu.noncoherent;

/**
 * What the cache did so far, in lines of 64 bytes; each value by itself is of one moment.
 *
 * @param linesFilled lines that came into the cache, because the CPU read or wrote them first
 * @param linesWrittenBack dirty lines that were copied to DRAM
 * @param linesInvalidated lines that were in the cache and were forgotten
 * @param dirtyLinesLost of those, the ones whose bytes had not been written back
 * @param linesStranded lines that were in the cache when their page became uncached
 * @param pagesUncached pages that are uncached now
 */
public record NonCoherentCounters(
    long linesFilled,
    long linesWrittenBack,
    long linesInvalidated,
    long dirtyLinesLost,
    long linesStranded,
    long pagesUncached) {}
