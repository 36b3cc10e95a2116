package dev.virtiolab.firmware.uefi;

/**
 * VIRTIO_DEVICE_PROTOCOL: edk2, OvmfPkg/Include/Protocol/VirtioDevice.h. What a virtio driver needs
 * of its transport, whichever that is.
 */
public interface VirtioDevice {
  Protocol<VirtioDevice> PROTOCOL =
      Protocol.of("fa920010-6785-4941-b6ec-498c579f160a", "VirtioDevice", VirtioDevice.class);

  /** Major, minor and release as three bytes: 0.9.5, the legacy interface. */
  int REVISION_0_9_5 = 0x00_09_05;

  /** Likewise 1.0.0. */
  int REVISION_1_0_0 = 0x01_00_00;

  int revision();

  /** The virtio device type: 1 is a network card (virtio v1.4, 5 "Device Types"). */
  int subSystemDeviceId();

  EfiStatus getDeviceFeatures(LongRef features);

  EfiStatus setGuestFeatures(long features);

  /**
   * Tells the device where the selected queue's three areas are, and enables it.
   *
   * @param ringBaseShift device address minus guest-physical address, from VirtioRingMap
   */
  EfiStatus setQueueAddress(
      long descriptorTable, long availRing, long usedRing, long ringBaseShift);

  EfiStatus setQueueSel(int index);

  EfiStatus setQueueNotify(int index);

  EfiStatus getQueueNumMax(IntRef queueNumMax);

  EfiStatus setQueueNum(int queueSize);

  EfiStatus getDeviceStatus(IntRef status);

  /**
   * Writes the device status. Writing 0 resets the device and waits, for a bounded time, until it
   * reads back 0.
   *
   * @return DEVICE_ERROR where a reset does not end; the device is then kept off the bus as far as
   *     the transport can
   */
  EfiStatus setDeviceStatus(int status);

  /**
   * The generation of the device-specific configuration: equal before and after what is read
   * together. Not in edk2, whose drivers take a torn read. Always 0 before revision 1.0.0, which
   * has none: what is read together is then read until it comes twice.
   */
  EfiStatus getConfigGeneration(IntRef generation);

  /**
   * @param offset in the device-specific configuration
   * @param fieldSize 1, 2, 4 or 8 bytes
   */
  EfiStatus writeDevice(int offset, int fieldSize, long value);

  EfiStatus readDevice(int offset, int fieldSize, LongRef value);

  EfiStatus allocateSharedPages(long pages, LongRef hostAddress);

  void freeSharedPages(long pages, long hostAddress);

  EfiStatus mapSharedBuffer(
      DmaOperation operation,
      long hostAddress,
      LongRef numberOfBytes,
      LongRef deviceAddress,
      Ref<DmaMapping> mapping);

  EfiStatus unmapSharedBuffer(DmaMapping mapping);
}
