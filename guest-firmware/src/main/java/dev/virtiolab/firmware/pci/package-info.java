/**
 * PCI in the firmware: the root bridge, the bus driver that finds functions and gives them
 * addresses, and the PciIo protocol that their drivers use.
 *
 * <p>{@link dev.virtiolab.firmware.pci.RootBridge} reaches config space, registers and memory;
 * {@link dev.virtiolab.firmware.pci.PciBusDxe} enumerates and installs one {@link
 * dev.virtiolab.firmware.uefi.PciIo} for each function. Behaviour and status codes follow edk2's
 * MdeModulePkg/Bus/Pci/PciBusDxe and PciHostBridgeDxe, register layouts the PCI Local Bus
 * Specification 3.0 and the PCI-to-PCI Bridge Architecture Specification 1.2.
 *
 * <p>All of it runs on the firmware's one thread. What a function answers is not trusted: every
 * walk is bounded, and a function that makes no sense is left out.
 */
package dev.virtiolab.firmware.pci;
