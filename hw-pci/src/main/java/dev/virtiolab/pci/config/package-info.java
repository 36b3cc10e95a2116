/**
 * Configuration space: an address for each function, and registers whose access kinds are declared
 * data.
 *
 * <p>{@link dev.virtiolab.pci.config.ConfigSpace} holds the bytes of one function and knows, bit by
 * bit, what a write from the bus may do to them. {@code ...Layout} classes name the registers; a
 * list of {@link dev.virtiolab.pci.config.RegisterRule}s says how each behaves. What a register
 * <em>means</em> lives in {@link dev.virtiolab.pci.function}.
 *
 * <p>Nothing here locks: the function that owns a space serialises its accesses.
 *
 * <p>Specifications: PCI Local Bus 3.0, chapter 6 "Configuration Space"; PCI-to-PCI Bridge
 * Architecture 1.2, chapter 3; PCI Express Base 3.0, chapter 7.
 */
package dev.virtiolab.pci.config;
