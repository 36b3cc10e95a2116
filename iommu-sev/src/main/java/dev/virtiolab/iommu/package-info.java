/**
 * Platforms: what CPU, device and DRAM each see of one memory.
 *
 * <p>A {@link dev.virtiolab.iommu.Platform} hands out the three views. The guest firmware knows of
 * it only {@link dev.virtiolab.iommu.PageAttributes}, the one thing a guest can change.
 */
package dev.virtiolab.iommu;
