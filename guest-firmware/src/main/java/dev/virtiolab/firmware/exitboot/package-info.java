/**
 * ExitBootServices, tried out: who takes DMA mappings down, and drivers that quiesce their device
 * early, late, or not at all.
 *
 * <p>Two seams. {@link dev.virtiolab.firmware.iommu.TeardownPolicy} is who takes mappings down; the
 * built-in ones are in {@code policy}. {@link dev.virtiolab.firmware.exitboot.ExitBootDriver} is
 * what a driver does; the built-in ones are in {@code driver}. Neither knows of the other. {@link
 * dev.virtiolab.firmware.exitboot.StagedHandler} is there for both: a handler that acts when it is
 * called, or puts that off.
 *
 * <p>Everything runs on the firmware's one thread. UEFI Specification 2.10, 7.1 "Event, Timer, and
 * Task Priority Services" and 7.4.6 "EFI_BOOT_SERVICES.ExitBootServices()"; edk2-devel, September
 * 2017.
 */
package dev.virtiolab.firmware.exitboot;
