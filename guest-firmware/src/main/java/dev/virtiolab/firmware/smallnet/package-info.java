/**
 * A network card's driver that is small enough to be read in one sitting, and to be got wrong on
 * purpose: the same bus, transport and rings as VirtioNetDxe's, without what is not about DMA.
 *
 * <p>{@link dev.virtiolab.firmware.smallnet.SmallNet} is the driver and makes no mistake. Each
 * decision about DMA is a method of its own, for a subclass to take differently.
 *
 * <p>Everything runs on the firmware's one thread; the device works when the clock passes. UEFI
 * Specification 2.10, 14.4 "EFI PCI I/O Protocol"; virtio v1.4, 5.1 "Network Device".
 */
package dev.virtiolab.firmware.smallnet;
