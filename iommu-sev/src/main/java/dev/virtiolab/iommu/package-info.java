/**
 * Platforms: what CPU, device and DRAM each see of one memory.
 *
 * <p>A {@link dev.virtiolab.iommu.Platform} hands out the three views. The guest firmware knows of
 * it only {@link dev.virtiolab.iommu.PageAttributes}, the one thing a guest can change.
 *
 * <p>No thread is owned here, and a view may be used by any.
 */
package dev.virtiolab.iommu;
