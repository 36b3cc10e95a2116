package dev.virtiolab.firmware.net;

import static dev.virtiolab.firmware.net.VirtioNetLayout.CONFIG_MAC;
import static dev.virtiolab.firmware.net.VirtioNetLayout.CONFIG_MAC_SIZE;
import static dev.virtiolab.firmware.net.VirtioNetLayout.CONFIG_STATUS;
import static dev.virtiolab.firmware.net.VirtioNetLayout.CONFIG_STATUS_SIZE;
import static dev.virtiolab.firmware.net.VirtioNetLayout.F_MAC;
import static dev.virtiolab.firmware.net.VirtioNetLayout.F_STATUS;
import static dev.virtiolab.firmware.net.VirtioNetLayout.RECEIVEQ;
import static dev.virtiolab.firmware.net.VirtioNetLayout.STATUS_LINK_UP;
import static dev.virtiolab.firmware.net.VirtioNetLayout.TRANSMITQ;
import static dev.virtiolab.firmware.virtio.VirtioFeatures.ACCESS_PLATFORM;
import static dev.virtiolab.firmware.virtio.VirtioFeatures.VERSION_1;

import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.firmware.uefi.SimpleNetworkMode;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.firmware.virtio.VirtioLib;
import dev.virtiolab.firmware.virtio.VirtioStatus;
import dev.virtiolab.pci.cpu.CpuMemory;

/**
 * One virtio-net device and how it is brought up, reset and taken down: what edk2 spreads over
 * VirtioNetGetFeatures, SnpInitialize.c, SnpShutdown.c and SnpSharedHelpers.c.
 *
 * <p>What {@link #bringUp} takes, {@link #takeDown} gives back in reverse order; each step knows
 * whether it was taken, so a bring-up that failed half way is undone by the same code.
 *
 * <pre>
 *   bringUp                            takeDown
 *     negotiate                          reset the device
 *     receive ring: allocate, map        receive area: unmap, free
 *     transmit ring: allocate, map       requests in flight: unmap; headers: free
 *     headers: allocate                  transmit ring: unmap, free
 *     receive area: allocate, map        receive ring: unmap, free
 *     goLive: queues, DRIVER_OK, kick
 * </pre>
 *
 * <p>A device that breaks the rules is reset, counted and <em>broken</em>: nothing is read from its
 * rings any more, until {@link #reset} or another bring-up succeeds.
 */
final class VirtioNet {
  /** Besides F_MTU, which is accepted where its value can be: {@link VirtioNetMtu}. */
  private static final long WANTED = F_MAC | F_STATUS | VERSION_1 | ACCESS_PLATFORM;

  private final VirtioDevice virtIo;
  private final boolean requireAccessPlatform;
  private final boolean legacy;
  private final SimpleNetworkMode mode;
  private final SnpCounters counters;
  private final VirtioNetMtu mtu;
  private final VirtioNetQueue receiveQueue;
  private final VirtioNetQueue transmitQueue;
  private final VirtioNetTransmitter transmitter;
  private final VirtioNetReceiver receiver;
  private final LongRef scratch = new LongRef();
  private final IntRef status = new IntRef();
  private boolean broken;

  VirtioNet(
      BootServices bootServices,
      CpuMemory memory,
      VirtioDevice virtIo,
      boolean requireAccessPlatform,
      SimpleNetworkMode mode,
      ReceiveFilter filter,
      SnpCounters counters) {
    this.virtIo = virtIo;
    this.requireAccessPlatform = requireAccessPlatform;
    this.legacy = virtIo.revision() < VirtioDevice.REVISION_1_0_0;
    this.mode = mode;
    this.counters = counters;
    this.mtu = new VirtioNetMtu(virtIo, counters);
    this.receiveQueue = new VirtioNetQueue(virtIo, memory, RECEIVEQ);
    this.transmitQueue = new VirtioNetQueue(virtIo, memory, TRANSMITQ);
    this.transmitter =
        new VirtioNetTransmitter(bootServices, virtIo, memory, transmitQueue, counters);
    this.receiver = new VirtioNetReceiver(virtIo, memory, receiveQueue, mtu, filter, counters);
  }

  VirtioNetTransmitter transmitter() {
    return transmitter;
  }

  VirtioNetReceiver receiver() {
    return receiver;
  }

  /** The largest packet, as it was when the device last was woken. */
  VirtioNetMtu mtu() {
    return mtu;
  }

  /** Whether the device was given up; see the class comment. */
  boolean isBroken() {
    return broken;
  }

  /**
   * Wakes the device to learn its address, MTU and link, and leaves it reset (or FAILED, for the
   * host to see).
   *
   * @return UNSUPPORTED for a device without MAC, or VERSION_1 where it is not a legacy one, or
   *     without ACCESS_PLATFORM where it is required
   */
  EfiStatus probe() {
    EfiStatus result = virtIo.setDeviceStatus(VirtioStatus.RESET);
    if (result.isError()) {
      return result;
    }
    result = greet();
    if (!result.isError()) {
      result = virtIo.getDeviceFeatures(scratch);
    }
    long offered = scratch.value;
    if (!result.isError()) {
      result = acceptable(offered);
    }
    if (!result.isError()) {
      result = VirtioLib.virtioReadDeviceBytes(virtIo, CONFIG_MAC, CONFIG_MAC_SIZE, scratch);
    }
    if (!result.isError()) {
      MacAddress mac = new MacAddress(scratch.value);
      if (mac.isMulticast()) {
        result = EfiStatus.DEVICE_ERROR;
      }
      mode.permanentAddress = mac;
      mode.mediaPresentSupported = (offered & F_STATUS) != 0;
      mode.mediaPresent = !mode.mediaPresentSupported;
    }
    if (!result.isError()) {
      result = mtu.read(offered);
    }
    if (!result.isError()) {
      adoptMtu();
      result = readLink();
    }
    if (result.isError()) {
      virtIo.setDeviceStatus(VirtioStatus.FAILED);
      return result;
    }
    return virtIo.setDeviceStatus(VirtioStatus.RESET);
  }

  private EfiStatus acceptable(long offered) {
    long needed = F_MAC | (legacy ? 0 : VERSION_1) | (requireAccessPlatform ? ACCESS_PLATFORM : 0);
    return (offered & needed) == needed ? EfiStatus.SUCCESS : EfiStatus.UNSUPPORTED;
  }

  /** Steps 2 and 3 of 3.1.1 "Driver Requirements: Device Initialization". */
  private EfiStatus greet() {
    EfiStatus result = virtIo.setDeviceStatus(VirtioStatus.ACKNOWLEDGE);
    return result.isError()
        ? result
        : virtIo.setDeviceStatus(VirtioStatus.ACKNOWLEDGE | VirtioStatus.DRIVER);
  }

  private void adoptMtu() {
    mtu.adopt();
    mode.maxPacketSize = mtu.bytes();
  }

  /** Steps 2 to 6, from a device that is reset; without 5 and 6 for a legacy one (3.1.2). */
  private EfiStatus negotiate() {
    EfiStatus result = greet();
    if (!result.isError()) {
      result = virtIo.getDeviceFeatures(scratch);
    }
    long offered = scratch.value;
    if (!result.isError()) {
      result = acceptable(offered);
    }
    if (!result.isError()) {
      result = mtu.read(offered);
    }
    if (result.isError()) {
      return result;
    }
    mode.mediaPresentSupported = (offered & F_STATUS) != 0;
    status.value = VirtioStatus.ACKNOWLEDGE | VirtioStatus.DRIVER;
    long accepted = offered & WANTED | mtu.feature();
    result =
        legacy
            ? virtIo.setGuestFeatures(accepted)
            : VirtioLib.virtio10WriteFeatures(virtIo, accepted, status);
    if (!result.isError()) {
      counters.negotiated(accepted);
    }
    return result;
  }

  /** Steps 7 and 8: the queues are laid out before DRIVER_OK and kicked only after it. */
  private EfiStatus goLive() {
    receiver.layOut();
    transmitter.layOut();
    EfiStatus result = receiveQueue.enable();
    if (!result.isError()) {
      result = transmitQueue.enable();
    }
    if (!result.isError()) {
      status.value |= VirtioStatus.DRIVER_OK;
      result = virtIo.setDeviceStatus(status.value);
    }
    if (!result.isError()) {
      result = receiver.kick();
    }
    if (!result.isError()) {
      result = readLink();
    }
    return result;
  }

  /** Makes a device that is reset a live one; on an error it is as it was before. */
  EfiStatus bringUp() {
    EfiStatus result = negotiate();
    if (!result.isError()) {
      adoptMtu();
      result = receiveQueue.open();
    }
    if (!result.isError()) {
      result = transmitQueue.open();
    }
    if (!result.isError()) {
      result = transmitter.open();
    }
    if (!result.isError()) {
      result = receiver.open();
    }
    if (!result.isError()) {
      result = goLive();
    }
    if (result.isError()) {
      takeDown();
    } else {
      broken = false;
    }
    return result;
  }

  /**
   * Starts a live or broken device over, in the memory it has: both queues are empty afterwards. An
   * MTU other than before, which a device must not present (5.1.4.1), would not fit that memory nor
   * what the client has seen: only another bring-up takes it.
   *
   * @return an error leaves it broken
   */
  EfiStatus reset() {
    EfiStatus result = resetDevice();
    broken = true;
    transmitter.abandon();
    if (result.isError()) {
      return EfiStatus.DEVICE_ERROR;
    }
    receiveQueue.ring().clear();
    transmitQueue.ring().clear();
    result = negotiate();
    if (!result.isError() && !mtu.isKept()) {
      counters.increment(SnpCounter.LIE_MTU);
      result = EfiStatus.DEVICE_ERROR;
    }
    if (!result.isError()) {
      result = goLive();
    }
    if (result.isError()) {
      resetDevice();
      return EfiStatus.DEVICE_ERROR;
    }
    broken = false;
    return result;
  }

  /**
   * Stops the device and gives everything back.
   *
   * @return DEVICE_ERROR where the device does not acknowledge its reset; nothing is left then
   *     either, since the transport keeps such a device off the bus
   */
  EfiStatus takeDown() {
    EfiStatus result = resetDevice();
    receiver.close();
    transmitter.close();
    transmitQueue.close();
    receiveQueue.close();
    broken = false;
    return result;
  }

  /**
   * Stops DMA at ExitBootServices: the device is reset, and nothing is freed or unmapped, since the
   * memory map must not change any more and the mappings are the IOMMU driver's to take down.
   */
  void quiesce() {
    broken = true;
    resetDevice();
  }

  /** Gives the device up because of {@code reason}, and resets it. */
  EfiStatus fail(SnpCounter reason) {
    counters.increment(reason);
    broken = true;
    resetDevice();
    return EfiStatus.DEVICE_ERROR;
  }

  private EfiStatus resetDevice() {
    EfiStatus result = virtIo.setDeviceStatus(VirtioStatus.RESET);
    if (result.isError()) {
      counters.increment(SnpCounter.RESET_FAILED);
    }
    return result;
  }

  /** Looks whether the device still is well, and at the link. */
  EfiStatus refresh() {
    EfiStatus result = virtIo.getDeviceStatus(status);
    if (!result.isError() && (status.value & VirtioStatus.DEVICE_NEEDS_RESET) != 0) {
      return fail(SnpCounter.DEVICE_NEEDS_RESET);
    }
    boolean before = mode.mediaPresent;
    if (!result.isError()) {
      result = readLink();
    }
    if (mode.mediaPresent != before) {
      counters.increment(SnpCounter.MEDIA_CHANGES);
    }
    return result.isError() ? fail(SnpCounter.REGISTER_FAILED) : result;
  }

  private EfiStatus readLink() {
    if (!mode.mediaPresentSupported) {
      return EfiStatus.SUCCESS;
    }
    // 16 bits in one access cannot tear, so the generation need not be looked at.
    EfiStatus result = virtIo.readDevice(CONFIG_STATUS, CONFIG_STATUS_SIZE, scratch);
    if (!result.isError()) {
      mode.mediaPresent = (scratch.value & STATUS_LINK_UP) != 0;
    }
    return result;
  }
}
