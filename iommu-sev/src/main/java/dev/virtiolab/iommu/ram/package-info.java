/**
 * Guest-physical RAM as arithmetic: which bank holds an address, which page of all RAM it is.
 *
 * <p>{@link dev.virtiolab.iommu.ram.Ram} is a fixed table, made once from {@link
 * dev.virtiolab.pci.memory.PhysicalMemory#regions()} and read by any thread. Every platform looks
 * addresses up here, on its hot path too.
 *
 * <p>{@link dev.virtiolab.iommu.ram.FlatCpuMemory} and {@link dev.virtiolab.iommu.ram.FlatDram} are
 * the plainest views there are, for platforms that have nothing to add to one of them.
 */
package dev.virtiolab.iommu.ram;
