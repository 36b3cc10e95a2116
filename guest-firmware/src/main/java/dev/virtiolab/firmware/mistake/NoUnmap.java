package dev.virtiolab.firmware.mistake;

import dev.virtiolab.firmware.smallnet.DmaBuffer;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.pci.cpu.CpuMemory;

/** Leaves open what it has mapped. */
final class NoUnmap extends SmallNet {
  NoUnmap(BootServices bootServices, CpuMemory memory, VirtioDevice device) {
    super(bootServices, memory, device);
  }

  @Override
  protected void unmap(DmaBuffer buffer) {}
}
