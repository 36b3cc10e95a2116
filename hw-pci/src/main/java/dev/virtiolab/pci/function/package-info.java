/**
 * One PCI function: header, BARs, capabilities, interrupts, bus mastering and resets.
 *
 * <p>A device extends {@link dev.virtiolab.pci.function.PciFunction}, declares its BARs and
 * capabilities in its constructor and hooks what it must know. A bus ({@link
 * dev.virtiolab.pci.host}) or a server hands accesses in.
 *
 * <pre>
 *   configRead/Write ──► lock ──► ConfigSpace ──► hooks ──► gates (memory, bus master, INTx)
 *   barRead/Write    ───────────► BarHandler      (takes the lock, or does not: its choice)
 *   MsiX.signal, Intx.raise ──► lock ──► MessageTarget, InterruptPin
 *   BusMaster.resolve ──────────► gate, then the platform's BusMemory      (no lock)
 * </pre>
 *
 * <p><b>Threads.</b> No thread is owned here. A CPU's thread accesses registers while the device's
 * loop runs. Each function has one reentrant {@linkplain
 * dev.virtiolab.pci.function.PciFunction#lock() lock}:
 *
 * <ul>
 *   <li>configuration accesses, resets, the MSI-X table and INTx hold it, hooks included; so a
 *       write that masks a vector or clears an enable has taken effect when it returns;
 *   <li>a {@link dev.virtiolab.pci.function.BarHandler} is called without it. Registers that the
 *       device's loop also changes take it; a notify register must not need it;
 *   <li>{@link dev.virtiolab.pci.function.MessageTarget} and {@link
 *       dev.virtiolab.pci.function.InterruptPin} are called while it is held: they must not call
 *       back into the function, nor wait for its loop;
 *   <li>order: a bridge's lock, then the lock of a function below it, then the routing table's. No
 *       function takes the lock of its bridge.
 * </ul>
 *
 * <p>The gates (memory enable, bus master enable, power state) are published as volatile fields,
 * read on the hot path without the lock.
 *
 * <p>Specifications: PCI Local Bus 3.0; PCI Bus Power Management 1.2; PCI Express Base 3.0.
 */
package dev.virtiolab.pci.function;
