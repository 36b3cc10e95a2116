package dev.virtiolab.firmware.mistake;

import dev.virtiolab.firmware.smallnet.DmaBuffer;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.pci.cpu.CpuMemory;

/** Unmaps a frame as soon as the device has been told of it, not when the device is done. */
final class EarlyUnmap extends SmallNet {
  EarlyUnmap(BootServices bootServices, CpuMemory memory, VirtioDevice device) {
    super(bootServices, memory, device);
  }

  @Override
  protected void kicked(DmaBuffer frame) {
    unmap(frame);
  }
}
