package dev.virtiolab.firmware.virtio;

import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.pci.cpu.CpuMemory;

/** What virtio drivers have in common: edk2, OvmfPkg/Library/VirtioLib. */
public final class VirtioLib {

  private static final long PAGE_SIZE = 4096;

  /** Looks at the configuration generation before a device that never settles is given up. */
  static final int GENERATION_TRIES = 16;

  /** What fewer than 8 bytes never are. */
  private static final long NOT_READ = -1;

  private VirtioLib() {}

  /**
   * Allocates a ring in shared pages, descriptors and available ring on one page boundary, the used
   * ring on another, and zeroes it.
   *
   * @param queueSize as the device reports it
   * @return UNSUPPORTED where {@code queueSize} is no power of 2 from 2 to 32768 (virtio v1.4, 2.7
   *     "Split Virtqueues"), or what AllocateSharedPages returns
   */
  public static EfiStatus virtioRingInit(
      VirtioDevice virtIo, CpuMemory memory, int queueSize, VirtioRing ring) {
    if (queueSize < 2
        || queueSize > VringLayout.MAX_QUEUE_SIZE
        || Integer.bitCount(queueSize) != 1) {
      return EfiStatus.UNSUPPORTED;
    }
    LongRef base = new LongRef();
    EfiStatus status = virtIo.allocateSharedPages(VirtioRing.pagesFor(queueSize), base);
    if (status.isError()) {
      return status;
    }
    ring.layOut(memory, queueSize, base.value);
    return EfiStatus.SUCCESS;
  }

  /**
   * Maps the whole ring as one CommonBuffer.
   *
   * @param ringBaseShift out: device address minus guest-physical address, for SetQueueAddress
   * @param mapping out: what to hand to UnmapSharedBuffer before {@link #virtioRingUninit}
   */
  public static EfiStatus virtioRingMap(
      VirtioDevice virtIo, VirtioRing ring, LongRef ringBaseShift, Ref<DmaMapping> mapping) {
    LongRef deviceAddress = new LongRef();
    EfiStatus status =
        virtioMapAllBytesInSharedBuffer(
            virtIo,
            DmaOperation.BUS_MASTER_COMMON_BUFFER,
            ring.base(),
            ring.pages() * PAGE_SIZE,
            new LongRef(),
            deviceAddress,
            mapping);
    if (status.isError()) {
      return status;
    }
    ringBaseShift.value = deviceAddress.value - ring.base();
    return EfiStatus.SUCCESS;
  }

  /** Frees the ring's pages. The device must not use the ring any more, nor a mapping be open. */
  public static void virtioRingUninit(VirtioDevice virtIo, VirtioRing ring) {
    virtIo.freeSharedPages(ring.pages(), ring.base());
    ring.forget();
  }

  /**
   * Maps exactly {@code numberOfBytes}, or nothing: a shorter mapping is undone.
   *
   * @param mapped the caller's scratch, so that a call per packet allocates nothing
   * @return OUT_OF_RESOURCES for a shorter mapping, or what MapSharedBuffer returns
   */
  public static EfiStatus virtioMapAllBytesInSharedBuffer(
      VirtioDevice virtIo,
      DmaOperation operation,
      long hostAddress,
      long numberOfBytes,
      LongRef mapped,
      LongRef deviceAddress,
      Ref<DmaMapping> mapping) {
    mapped.value = numberOfBytes;
    EfiStatus status =
        virtIo.mapSharedBuffer(operation, hostAddress, mapped, deviceAddress, mapping);
    if (status.isError()) {
      return status;
    }
    if (mapped.value < numberOfBytes) {
      virtIo.unmapSharedBuffer(mapping.value);
      mapping.value = null;
      return EfiStatus.OUT_OF_RESOURCES;
    }
    return EfiStatus.SUCCESS;
  }

  /**
   * Reports the features that the driver will use, and reads back whether the device takes them
   * (virtio v1.4, 3.1.1 "Driver Requirements: Device Initialization", steps 4 to 6).
   *
   * @param deviceStatus in: the status byte last written; out, on error too: the present one
   * @return UNSUPPORTED where FEATURES_OK does not stick or the device is older than 1.0
   */
  public static EfiStatus virtio10WriteFeatures(
      VirtioDevice virtIo, long features, IntRef deviceStatus) {
    if (virtIo.revision() < VirtioDevice.REVISION_1_0_0) {
      return EfiStatus.UNSUPPORTED;
    }
    EfiStatus status = virtIo.setGuestFeatures(features);
    if (status.isError()) {
      return status;
    }
    deviceStatus.value |= VirtioStatus.FEATURES_OK;
    status = virtIo.setDeviceStatus(deviceStatus.value);
    if (status.isError()) {
      return status;
    }
    status = virtIo.getDeviceStatus(deviceStatus);
    if (status.isError()) {
      return status;
    }
    return (deviceStatus.value & VirtioStatus.FEATURES_OK) == 0
        ? EfiStatus.UNSUPPORTED
        : EfiStatus.SUCCESS;
  }

  /**
   * Reads bytes of the device-specific configuration that belong together, one by one, and again
   * until the generation before is the generation after (virtio v1.4, 2.5.1 "Driver Requirements:
   * Device Configuration Space"). On a device without generations they are read until they come the
   * same twice (2.5.4 "Legacy Interface: Device Configuration Space").
   *
   * @param count 1 to 8 bytes
   * @param value out: the byte at {@code offset} is the most significant of {@code count}
   * @return DEVICE_ERROR where generation, or bytes, do not settle
   */
  public static EfiStatus virtioReadDeviceBytes(
      VirtioDevice virtIo, int offset, int count, LongRef value) {
    IntRef before = new IntRef();
    IntRef after = new IntRef();
    LongRef octet = new LongRef();
    boolean twice = virtIo.revision() < VirtioDevice.REVISION_1_0_0;
    long last = NOT_READ;
    for (int tries = 0; tries < GENERATION_TRIES; tries++) {
      EfiStatus status = virtIo.getConfigGeneration(before);
      long bytes = 0;
      for (int i = 0; i < count && !status.isError(); i++) {
        status = virtIo.readDevice(offset + i, 1, octet);
        bytes = bytes << Byte.SIZE | octet.value & 0xff;
      }
      if (!status.isError()) {
        status = virtIo.getConfigGeneration(after);
      }
      if (status.isError()) {
        return status;
      }
      if (before.value == after.value && (!twice || last == bytes)) {
        value.value = bytes;
        return EfiStatus.SUCCESS;
      }
      last = bytes;
    }
    return EfiStatus.DEVICE_ERROR;
  }
}
