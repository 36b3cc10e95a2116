/**
 * The door of the guest: a {@link dev.virtiolab.firmware.Firmware} is booted on a {@link
 * dev.virtiolab.firmware.Board} and then given its turns by the one thread that is its CPU.
 *
 * <p>{@link dev.virtiolab.firmware.DriverHost} is the part of it that any device driver stands on,
 * for who brings drivers of his own.
 *
 * <p>It reads like a boot: hand-off, UEFI core ({@code core}), IOMMU driver ({@code iommu}), PCI
 * bus ({@code pci}), virtio transport ({@code virtio}), network card ({@code net}), network stack
 * ({@code stack}); {@code uefi} has the interfaces between them. Nothing here knows the device but
 * by what it read from its registers and rings.
 */
package dev.virtiolab.firmware;
