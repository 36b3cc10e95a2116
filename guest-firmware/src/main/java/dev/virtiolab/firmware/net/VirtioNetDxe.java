package dev.virtiolab.firmware.net;

import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.DriverBinding;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.OpenAttribute;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.SimpleNetwork;
import dev.virtiolab.firmware.uefi.SimpleNetworkMode.State;
import dev.virtiolab.firmware.uefi.Tpl;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.pci.cpu.CpuMemory;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * The driver for virtio network cards: edk2, OvmfPkg/VirtioNetDxe. For each it makes a child handle
 * that carries the {@link SimpleNetwork} protocol and its {@link SnpCounters}.
 */
public final class VirtioNetDxe implements DriverBinding {
  /** Mappings that are open while the transmit ring is full: a header and a frame per request. */
  public static final int FULL_RING_MAPPINGS = 2 * VirtioNetLayout.MAX_PENDING;

  private final BootServices bootServices;
  private final CpuMemory memory;
  private final boolean requireAccessPlatform;
  private final Map<Handle, VirtioNetSnp> children = new IdentityHashMap<>();
  private final Ref<Handle> handle = new Ref<>();
  private Optional<EfiStatus> lastStart = Optional.empty();

  /**
   * @param requireAccessPlatform whether to refuse a device that does not offer
   *     VIRTIO_F_ACCESS_PLATFORM. Where memory is encrypted or translated such a device would be
   *     given addresses that mean nothing to it, and a host that withholds the feature is not to be
   *     talked to.
   */
  public VirtioNetDxe(BootServices bootServices, CpuMemory memory, boolean requireAccessPlatform) {
    this.bootServices = bootServices;
    this.memory = memory;
    this.requireAccessPlatform = requireAccessPlatform;
  }

  /** Installs the driver binding on a handle of its own; ConnectController finds it there. */
  public EfiStatus install() {
    return bootServices.installProtocolInterface(handle, DriverBinding.PROTOCOL, this);
  }

  /** What came of the last controller that this driver was to start on; empty: there was none. */
  public Optional<EfiStatus> lastStart() {
    return lastStart;
  }

  @Override
  public int version() {
    return 0x10;
  }

  @Override
  public Handle driverBindingHandle() {
    return handle.value;
  }

  @Override
  public EfiStatus supported(Handle controller) {
    Ref<VirtioDevice> virtIo = new Ref<>();
    EfiStatus status = openVirtIo(controller, virtIo);
    if (status.isError()) {
      return status;
    }
    if (virtIo.value.subSystemDeviceId() != VirtioNetLayout.DEVICE_TYPE) {
      status = EfiStatus.UNSUPPORTED;
    }
    closeVirtIo(controller, controller);
    return status;
  }

  @Override
  public EfiStatus start(Handle controller) {
    EfiStatus status = startOn(controller);
    lastStart = Optional.of(status);
    return status;
  }

  private EfiStatus startOn(Handle controller) {
    Ref<VirtioDevice> virtIo = new Ref<>();
    EfiStatus status = openVirtIo(controller, virtIo);
    if (status.isError()) {
      return status;
    }
    VirtioNetSnp snp = new VirtioNetSnp(bootServices, memory, virtIo.value, requireAccessPlatform);
    status = snp.populate();
    if (!status.isError()) {
      status = installChild(controller, snp);
      if (status.isError()) {
        snp.evacuate();
      }
    }
    if (status.isError()) {
      closeVirtIo(controller, controller);
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
      // Noted for the child, so that the controller is not taken from under it.
      status =
          bootServices.openProtocol(
              controller,
              VirtioDevice.PROTOCOL,
              new Ref<>(),
              handle.value,
              child.value,
              OpenAttribute.BY_CHILD_CONTROLLER);
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
      closeVirtIo(controller, controller);
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
      closeVirtIo(controller, child);
      status = bootServices.uninstallProtocolInterface(child, SimpleNetwork.PROTOCOL, snp);
      if (status.isError()) {
        bootServices.openProtocol(
            controller,
            VirtioDevice.PROTOCOL,
            new Ref<>(),
            handle.value,
            child,
            OpenAttribute.BY_CHILD_CONTROLLER);
      } else {
        bootServices.uninstallProtocolInterface(child, SnpCounters.PROTOCOL, snp.counters());
        children.remove(child);
        snp.evacuate();
      }
    }
    bootServices.restoreTpl(tpl);
    return status;
  }

  private EfiStatus openVirtIo(Handle controller, Ref<VirtioDevice> virtIo) {
    return bootServices.openProtocol(
        controller,
        VirtioDevice.PROTOCOL,
        virtIo,
        handle.value,
        controller,
        OpenAttribute.BY_DRIVER);
  }

  private void closeVirtIo(Handle controller, Handle forWhom) {
    bootServices.closeProtocol(controller, VirtioDevice.PROTOCOL, handle.value, forWhom);
  }
}
