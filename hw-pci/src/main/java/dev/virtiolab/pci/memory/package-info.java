/**
 * Guest-physical memory, and the views of it that are not the CPU's.
 *
 * <p>{@link dev.virtiolab.pci.memory.PhysicalMemory} owns the bytes. Each observer has a type of
 * its own, so that code cannot look through the wrong pair of eyes: {@link
 * dev.virtiolab.pci.cpu.CpuMemory} for the CPU, {@link dev.virtiolab.pci.memory.BusMemory} for a
 * bus master, {@link dev.virtiolab.pci.memory.RawDram} for whoever reads the DRAM itself.
 *
 * <p>No thread is owned here. A view may be used by any thread; what two threads see of one
 * another's plain accesses is the Java memory model's matter.
 */
package dev.virtiolab.pci.memory;
