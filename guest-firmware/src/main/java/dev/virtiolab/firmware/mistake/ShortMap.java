package dev.virtiolab.firmware.mistake;

import dev.virtiolab.firmware.smallnet.DmaBuffer;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.pci.cpu.CpuMemory;

/** Maps the frame and forgets the header before it: the device uses 12 bytes more. */
final class ShortMap extends SmallNet {
  ShortMap(BootServices bootServices, CpuMemory memory, VirtioDevice device) {
    super(bootServices, memory, device);
  }

  @Override
  protected long bytesToMap(DmaBuffer buffer) {
    return buffer.use == DmaBuffer.Use.RING ? buffer.bytes : buffer.bytes - HEADER_BYTES;
  }
}
