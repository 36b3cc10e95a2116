/**
 * The platform {@code pc}: CPU, bus master and DRAM see the same bytes at the same addresses.
 *
 * <pre>
 *   CPU ----------- guest-physical --+
 *   bus master ---- guest-physical --+--> DRAM
 *   raw DRAM ------ the same --------+
 * </pre>
 *
 * <p>Memory is coherent and there is no IOMMU: a driver that hands out addresses without mapping
 * them works here, and nowhere else. No thread is owned here and no lock taken: a view may be used
 * by any thread, ordered only by the acquire and release accesses of its users.
 */
package dev.virtiolab.iommu.pc;
