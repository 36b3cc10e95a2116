/**
 * The board as a CPU sees it: memory, memory-mapped registers, I/O ports, a clock, and where bus
 * masters do not see it, the cache.
 *
 * <p>This is the only door through which guest firmware meets the hardware. All calls come from the
 * firmware's one thread.
 */
package dev.virtiolab.pci.cpu;
