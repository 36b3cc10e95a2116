package dev.virtiolab.firmware.mistake;

import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.pci.cpu.CpuMemory;

/** Asks for a CommonBuffer of pages that come from AllocatePages, not from AllocateBuffer. */
final class ForeignCommonBuffer extends SmallNet {
  ForeignCommonBuffer(BootServices bootServices, CpuMemory memory, VirtioDevice device) {
    super(bootServices, memory, device);
  }

  @Override
  protected EfiStatus allocateCommonBuffer(long pages, LongRef hostAddress) {
    return bootServices()
        .allocatePages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, pages, hostAddress);
  }

  @Override
  protected void freeCommonBuffer(long pages, long hostAddress) {
    bootServices().freePages(hostAddress, pages);
  }
}
