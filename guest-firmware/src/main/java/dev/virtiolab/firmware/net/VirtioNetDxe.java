package dev.virtiolab.firmware.net;

import dev.virtiolab.firmware.driver.ProtocolDriver;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.firmware.uefi.SimpleNetworkMode.State;
import dev.virtiolab.firmware.uefi.Tpl;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.pci.cpu.CpuMemory;
import java.util.IdentityHashMap;
import java.util.Map;

/**
 * The driver for virtio network cards: edk2, OvmfPkg/VirtioNetDxe. For each it makes a child handle
 * that carries the {@link SimpleNetwork} protocol and its {@link SnpCounters}. A subclass may want
 * fewer cards.
 */
public class VirtioNetDxe extends ProtocolDriver<VirtioDevice> {
  /** Mappings that are open while the transmit ring is full: a header and a frame per request. */
  public static final int FULL_RING_MAPPINGS = 2 * VirtioNetLayout.MAX_PENDING;

  private final CpuMemory memory;
  private final boolean requireAccessPlatform;
  private final Map<Handle, VirtioNetSnp> children = new IdentityHashMap<>();

  /**
   * @param requireAccessPlatform whether to refuse a device that does not offer
   *     VIRTIO_F_ACCESS_PLATFORM. Where memory is encrypted or translated such a device would be
   *     given addresses that mean nothing to it, and a host that withholds the feature is not to be
   *     talked to.
   */
  public VirtioNetDxe(BootServices bootServices, CpuMemory memory, boolean requireAccessPlatform) {
    super(bootServices, VirtioDevice.PROTOCOL);
    this.memory = memory;
    this.requireAccessPlatform = requireAccessPlatform;
  }

  @Override
  protected EfiStatus examine(Handle controller, VirtioDevice device) {
    return device.subSystemDeviceId() == VirtioNetLayout.DEVICE_TYPE
        ? EfiStatus.SUCCESS
        : EfiStatus.UNSUPPORTED;
  }

  @Override
  protected EfiStatus startOn(Handle controller, VirtioDevice device) {
    VirtioNetSnp snp = new VirtioNetSnp(bootServices, memory, device, requireAccessPlatform);
    EfiStatus status = snp.populate();
    if (!status.isError()) {
      status = installChild(controller, snp);
      if (status.isError()) {
        snp.evacuate();
      }
    }
    return status;
  }

  /** On an error, nothing is installed. */
  private EfiStatus installChild(Handle controller, VirtioNetSnp snp) {
    Ref<Handle> child = new Ref<>();
    EfiStatus status =
        bootServices.installProtocolInterface(child, SnpCounters.PROTOCOL, snp.counters());
    if (status.isError()) {
      return status;
    }
    status = bootServices.installProtocolInterface(child, SimpleNetwork.PROTOCOL, snp);
    if (!status.isError()) {
      status = openForChild(controller, child.value);
      if (status.isError()) {
        bootServices.uninstallProtocolInterface(child.value, SimpleNetwork.PROTOCOL, snp);
      }
    }
    if (status.isError()) {
      bootServices.uninstallProtocolInterface(child.value, SnpCounters.PROTOCOL, snp.counters());
      return status;
    }
    children.put(child.value, snp);
    return EfiStatus.SUCCESS;
  }

  @Override
  public EfiStatus stop(Handle controller, Handle... stopping) {
    for (Handle child : stopping) {
      EfiStatus status = stopChild(controller, child);
      if (status.isError()) {
        return status;
      }
    }
    if (stopping.length == 0) {
      close(controller, controller);
    }
    return EfiStatus.SUCCESS;
  }

  /** Refuses with DEVICE_ERROR while the interface is in use: it must be stopped first. */
  private EfiStatus stopChild(Handle controller, Handle child) {
    VirtioNetSnp snp = children.get(child);
    if (snp == null) {
      return EfiStatus.UNSUPPORTED;
    }
    int tpl = bootServices.raiseTpl(Tpl.CALLBACK);
    EfiStatus status = EfiStatus.DEVICE_ERROR;
    if (snp.mode().state == State.STOPPED) {
      close(controller, child);
      status = bootServices.uninstallProtocolInterface(child, SimpleNetwork.PROTOCOL, snp);
      if (status.isError()) {
        openForChild(controller, child);
      } else {
        bootServices.uninstallProtocolInterface(child, SnpCounters.PROTOCOL, snp.counters());
        children.remove(child);
        snp.evacuate();
      }
    }
    bootServices.restoreTpl(tpl);
    return status;
  }
}
