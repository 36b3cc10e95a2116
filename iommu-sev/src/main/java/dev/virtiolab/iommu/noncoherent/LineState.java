package dev.virtiolab.iommu.noncoherent;

/** Where a line of memory stands in the CPU's cache. */
public enum LineState {
  /** Not in the cache. */
  ABSENT,
  /** In the cache, and not written since it came or was written back. */
  CLEAN,
  /** In the cache, with bytes that DRAM has not got. */
  DIRTY
}
