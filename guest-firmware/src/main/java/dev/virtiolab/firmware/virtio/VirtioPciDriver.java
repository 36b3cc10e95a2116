package dev.virtiolab.firmware.virtio;

import dev.virtiolab.firmware.driver.ProtocolDriver;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import java.util.IdentityHashMap;
import java.util.Map;

/** A driver that makes a VIRTIO_DEVICE_PROTOCOL of a PCI function, whatever its interface is. */
abstract class VirtioPciDriver extends ProtocolDriver<PciIo> {

  private record Started(VirtioDevice device, PciIo pciIo, long originalAttributes) {}

  private final Map<Handle, Started> started = new IdentityHashMap<>();

  VirtioPciDriver(BootServices bootServices) {
    super(bootServices, PciIo.PROTOCOL);
  }

  /**
   * Enables what the function's interface needs.
   *
   * @param original set to what was enabled before
   */
  static EfiStatus enable(PciIo pciIo, long attributes, LongRef original) {
    EfiStatus status = pciIo.attributes(PciIo.AttributeOperation.GET, 0, original);
    return status.isError()
        ? status
        : pciIo.attributes(PciIo.AttributeOperation.ENABLE, attributes, null);
  }

  /** Enables again what was enabled before. */
  static void restore(PciIo pciIo, long originalAttributes) {
    pciIo.attributes(PciIo.AttributeOperation.SET, originalAttributes, null);
  }

  /** Installs the protocol; where that fails, everything is as it was before. */
  final EfiStatus install(
      Handle controller, PciIo pciIo, long originalAttributes, VirtioDevice device) {
    EfiStatus status =
        bootServices.installProtocolInterface(new Ref<>(controller), VirtioDevice.PROTOCOL, device);
    if (status.isError()) {
      restore(pciIo, originalAttributes);
      return status;
    }
    started.put(controller, new Started(device, pciIo, originalAttributes));
    return EfiStatus.SUCCESS;
  }

  @Override
  public final EfiStatus stop(Handle controller, Handle... children) {
    Started ours = started.get(controller);
    if (ours == null) {
      return EfiStatus.UNSUPPORTED;
    }
    EfiStatus status =
        bootServices.uninstallProtocolInterface(controller, VirtioDevice.PROTOCOL, ours.device);
    if (status.isError()) {
      return status;
    }
    started.remove(controller);
    restore(ours.pciIo, ours.originalAttributes);
    close(controller, controller);
    return EfiStatus.SUCCESS;
  }
}
