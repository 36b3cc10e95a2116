package dev.virtiolab.firmware.mistake;

import dev.virtiolab.firmware.smallnet.DmaBuffer;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.pci.cpu.CpuMemory;

/** Takes it that a device address is a host address, and maps nothing. */
final class NoMap extends SmallNet {
  NoMap(BootServices bootServices, CpuMemory memory, VirtioDevice device) {
    super(bootServices, memory, device);
  }

  @Override
  protected EfiStatus map(DmaBuffer buffer) {
    buffer.deviceAddress = buffer.hostAddress;
    return EfiStatus.SUCCESS;
  }
}
