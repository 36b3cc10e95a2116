package dev.virtiolab.firmware.virtio;

import static dev.virtiolab.firmware.virtio.VirtioPciLayout.*;

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

/**
 * The driver that makes a VIRTIO_DEVICE_PROTOCOL of a PCI function with a legacy interface: edk2,
 * OvmfPkg/VirtioPciDeviceDxe. It takes 1af4:1000 to 1af4:103f of revision 0, which are legacy and
 * transitional devices: of the latter it uses the legacy interface, as it does in OVMF.
 */
public final class VirtioPciDeviceDxe extends ProtocolDriver<PciIo> {

  private record Started(VirtioPciDevice device, PciIo pciIo, long originalAttributes) {}

  private final Map<Handle, Started> started = new IdentityHashMap<>();

  public VirtioPciDeviceDxe(BootServices bootServices) {
    super(bootServices, PciIo.PROTOCOL);
  }

  @Override
  protected EfiStatus examine(Handle controller, PciIo pciIo) {
    LongRef value = new LongRef();
    EfiStatus status = pciIo.pciRead(PciIo.Width.UINT16, PCI_VENDOR_ID, value);
    boolean ours = value.value == VENDOR_ID;
    if (!status.isError()) {
      status = pciIo.pciRead(PciIo.Width.UINT16, PCI_DEVICE_ID, value);
      ours &= value.value >= LEGACY_DEVICE_ID_FIRST && value.value <= LEGACY_DEVICE_ID_LAST;
    }
    if (!status.isError()) {
      status = pciIo.pciRead(PciIo.Width.UINT8, PCI_REVISION_ID, value);
      ours &= value.value == 0;
    }
    if (status.isError()) {
      return status;
    }
    return ours ? EfiStatus.SUCCESS : EfiStatus.UNSUPPORTED;
  }

  @Override
  protected EfiStatus startOn(Handle controller, PciIo pciIo) {
    LongRef type = new LongRef();
    EfiStatus status = pciIo.pciRead(PciIo.Width.UINT16, PCI_SUBSYSTEM_ID, type);
    LongRef original = new LongRef();
    if (!status.isError()) {
      status = pciIo.attributes(PciIo.AttributeOperation.GET, 0, original);
    }
    if (!status.isError()) {
      status =
          pciIo.attributes(
              PciIo.AttributeOperation.ENABLE,
              PciIo.ATTRIBUTE_IO | PciIo.ATTRIBUTE_BUS_MASTER,
              null);
    }
    if (status.isError()) {
      return status;
    }
    VirtioPciDevice device = new VirtioPciDevice(bootServices, pciIo, (int) type.value);
    status = device.probe();
    if (!status.isError()) {
      status =
          bootServices.installProtocolInterface(
              new Ref<>(controller), VirtioDevice.PROTOCOL, device);
    }
    if (status.isError()) {
      pciIo.attributes(PciIo.AttributeOperation.SET, original.value, null);
      return status;
    }
    started.put(controller, new Started(device, pciIo, original.value));
    return EfiStatus.SUCCESS;
  }

  @Override
  public EfiStatus stop(Handle controller, Handle... children) {
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
    ours.pciIo.attributes(PciIo.AttributeOperation.SET, ours.originalAttributes, null);
    close(controller, controller);
    return EfiStatus.SUCCESS;
  }
}
