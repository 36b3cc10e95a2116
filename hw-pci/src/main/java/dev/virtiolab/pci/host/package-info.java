/**
 * What sits between the CPU and the functions: host bridge, root bus and root ports.
 *
 * <pre>
 *                 CPU
 *   ports CF8/CFC  |  ECAM, MMIO
 *             HostBridge 00:00.0
 *   bus 0 ----+---------+----------------
 *             |         |
 *          function   RootPort            conventional, 256 bytes | PCI Express, 4096 bytes
 *          00:04.0    00:1c.0
 *                       |  secondary bus, numbered by the firmware
 *                     function, device 0
 * </pre>
 *
 * <p>Memory BARs lie in two windows, BARs that are ports in a third, for functions of bus 0 only: a
 * root port forwards no I/O.
 *
 * <p>Addresses are those of QEMU's q35 where it has any. Functions are plugged in before the
 * machine runs; there is no hot plug. Every slot holds a function 0 and no other.
 *
 * <p><b>Who wins an address.</b> RAM is not behind the bridge, and the windows that it forwards
 * never lie over RAM: a BAR that is programmed over RAM decodes nothing. Of BARs that overlap, the
 * one of the lowest device number wins, the bridge itself before what is behind it, and in one
 * function the lowest index; what another covers beyond that it keeps. An access that begins in one
 * decoded range and ends outside it is answered by nobody.
 *
 * <p><b>Threads.</b> Any. An MMIO access looks its BAR up in an immutable table that is published
 * by a volatile store, and takes no lock and allocates nothing; the table is made anew, under a
 * lock of its own, within the configuration write that moves a BAR, an enable or a window.
 *
 * <p>Specifications: PCI Local Bus 3.0, 3.2.2.3.2 "Software Generation of Configuration
 * Transactions"; PCI Express Base 3.0, 7.2.2 "PCI Express Enhanced Configuration Access Mechanism";
 * PCI-to-PCI Bridge Architecture 1.2.
 */
package dev.virtiolab.pci.host;
