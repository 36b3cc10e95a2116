package dev.virtiolab.firmware.mistake;

import dev.virtiolab.firmware.smallnet.DmaBuffer;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.pci.cpu.CpuMemory;

/** Maps, and tells the device the host address all the same. */
final class HostAddress extends SmallNet {
  HostAddress(BootServices bootServices, CpuMemory memory, VirtioDevice device) {
    super(bootServices, memory, device);
  }

  @Override
  protected EfiStatus map(DmaBuffer buffer) {
    EfiStatus status = super.map(buffer);
    buffer.deviceAddress = buffer.hostAddress;
    return status;
  }
}
