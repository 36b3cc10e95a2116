package dev.virtiolab.firmware.exitboot;

import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.pci.cpu.CpuMemory;

/**
 * Where an {@link ExitBootDriver} sits: all that it has to work with.
 *
 * @param memory RAM, as the CPU sees it
 * @param controller the card's handle, with PciIo and {@code device} on it
 * @param device the card, which nobody has touched yet
 * @param requiresAccessPlatform whether to refuse a card without VIRTIO_F_ACCESS_PLATFORM
 */
public record DriverSeat(
    BootServices bootServices,
    CpuMemory memory,
    Handle controller,
    VirtioDevice device,
    boolean requiresAccessPlatform) {}
