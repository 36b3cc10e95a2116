package dev.virtiolab.iommu.vtd;

/** How far a requester reaches: what {@link VtdPlatform#reach} found. */
public enum Reach {
  /** Translation is off: all of memory, by its own address. */
  EVERYTHING,

  /** The pages that the visitor was told of, and no other. */
  PAGES,

  /**
   * More than was told: the tables of this requester hold each other in more ways than memory has
   * pages, as no tree of tables does, and the walk was given up. To be taken for everything.
   */
  TOO_MUCH
}
