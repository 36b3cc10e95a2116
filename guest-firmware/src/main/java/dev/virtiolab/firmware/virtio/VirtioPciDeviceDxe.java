package dev.virtiolab.firmware.virtio;

import static dev.virtiolab.firmware.virtio.VirtioPciLayout.*;

import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.PciIo;

/**
 * The driver that makes a VIRTIO_DEVICE_PROTOCOL of a PCI function with a legacy interface: edk2,
 * OvmfPkg/VirtioPciDeviceDxe. It takes 1af4:1000 to 1af4:103f of revision 0, which are legacy and
 * transitional devices: of the latter it uses the legacy interface, as it does in OVMF.
 */
public final class VirtioPciDeviceDxe extends VirtioPciDriver {

  public VirtioPciDeviceDxe(BootServices bootServices) {
    super(bootServices);
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
      status = enable(pciIo, PciIo.ATTRIBUTE_IO | PciIo.ATTRIBUTE_BUS_MASTER, original);
    }
    if (status.isError()) {
      return status;
    }
    VirtioPciDevice device = new VirtioPciDevice(bootServices, pciIo, (int) type.value);
    status = device.probe();
    if (status.isError()) {
      restore(pciIo, original.value);
      return status;
    }
    return install(controller, pciIo, original.value, device);
  }
}
