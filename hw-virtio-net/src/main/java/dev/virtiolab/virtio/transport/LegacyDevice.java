package dev.virtiolab.virtio.transport;

/**
 * What a device type is to drivers that came before version 1.
 *
 * @param pciDeviceId the Transitional PCI Device ID (virtio v1.4, 4.1.2 "PCI Device Discovery")
 * @param features bits 0 to 31 that it offers through the legacy interface alone
 * @param assumed what a driver is taken to accept that sets bit 30, and so has not looked at what
 *     is offered (chapter 6, "Legacy Interface: Reserved Feature Bits")
 */
public record LegacyDevice(int pciDeviceId, long features, long assumed) {}
