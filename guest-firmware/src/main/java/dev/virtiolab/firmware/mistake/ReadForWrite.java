package dev.virtiolab.firmware.mistake;

import dev.virtiolab.firmware.smallnet.DmaBuffer;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.pci.cpu.CpuMemory;

/** Maps with BusMasterRead what the device writes: reads it as "the host reads". */
final class ReadForWrite extends SmallNet {
  ReadForWrite(BootServices bootServices, CpuMemory memory, VirtioDevice device) {
    super(bootServices, memory, device);
  }

  @Override
  protected DmaOperation operation(DmaBuffer.Use use) {
    return use == DmaBuffer.Use.RECEIVE ? DmaOperation.BUS_MASTER_READ : super.operation(use);
  }
}
