package dev.virtiolab.firmware.net;

import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.firmware.virtio.VirtioLib;
import dev.virtiolab.firmware.virtio.VirtioRing;
import dev.virtiolab.pci.cpu.CpuMemory;

/** One of the device's queues: its ring, allocated and mapped, and how the device is told of it. */
final class VirtioNetQueue {
  private final VirtioDevice virtIo;
  private final CpuMemory memory;
  private final int index;
  private final VirtioRing ring = new VirtioRing();
  private final Ref<DmaMapping> mapping = new Ref<>();
  private final LongRef baseShift = new LongRef();

  VirtioNetQueue(VirtioDevice virtIo, CpuMemory memory, int index) {
    this.virtIo = virtIo;
    this.memory = memory;
    this.index = index;
  }

  VirtioRing ring() {
    return ring;
  }

  /** Frames that may be in flight at once, each a chain of header and data. */
  int pending() {
    return Math.min(ring.queueSize() / 2, VirtioNetLayout.MAX_PENDING);
  }

  /** Allocates and maps the ring; on an error nothing is kept. */
  EfiStatus open() {
    IntRef size = new IntRef();
    EfiStatus status = virtIo.setQueueSel(index);
    if (!status.isError()) {
      status = virtIo.getQueueNumMax(size);
    }
    if (!status.isError()) {
      status = VirtioLib.virtioRingInit(virtIo, memory, size.value, ring);
    }
    if (status.isError()) {
      return status;
    }
    status = VirtioLib.virtioRingMap(virtIo, ring, baseShift, mapping);
    if (status.isError()) {
      mapping.value = null;
      VirtioLib.virtioRingUninit(virtIo, ring);
    }
    return status;
  }

  /** Tells the device where the ring is, and enables the queue. */
  EfiStatus enable() {
    EfiStatus status = virtIo.setQueueSel(index);
    if (!status.isError()) {
      status = virtIo.setQueueNum(ring.queueSize());
    }
    if (!status.isError()) {
      status =
          virtIo.setQueueAddress(
              ring.descriptorTable(), ring.availRing(), ring.usedRing(), baseShift.value);
    }
    return status;
  }

  EfiStatus kick() {
    return virtIo.setQueueNotify(index);
  }

  /** Unmaps and frees the ring, if there is one. The device must have been reset. */
  void close() {
    if (mapping.value != null) {
      virtIo.unmapSharedBuffer(mapping.value);
      mapping.value = null;
      VirtioLib.virtioRingUninit(virtIo, ring);
    }
  }
}
