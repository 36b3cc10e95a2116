package dev.virtiolab.firmware.virtio;

import static dev.virtiolab.firmware.virtio.VirtioPciLayout.*;

import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.PciIo;

/**
 * The driver that makes a VIRTIO_DEVICE_PROTOCOL of a modern virtio PCI function: edk2,
 * OvmfPkg/Virtio10Dxe. It takes 1af4:1040 to 1af4:107f of revision 1 and up (virtio v1.4, 4.1.2
 * "PCI Device Discovery").
 */
public final class Virtio10Dxe extends VirtioPciDriver {

  public Virtio10Dxe(BootServices bootServices) {
    super(bootServices);
  }

  @Override
  protected EfiStatus examine(Handle controller, PciIo pciIo) {
    LongRef value = new LongRef();
    EfiStatus status = pciIo.pciRead(PciIo.Width.UINT16, PCI_VENDOR_ID, value);
    boolean ours = value.value == VENDOR_ID;
    if (!status.isError()) {
      status = pciIo.pciRead(PciIo.Width.UINT16, PCI_DEVICE_ID, value);
      ours &= value.value >= DEVICE_ID_FIRST && value.value <= DEVICE_ID_LAST;
    }
    if (!status.isError()) {
      status = pciIo.pciRead(PciIo.Width.UINT8, PCI_REVISION_ID, value);
      ours &= value.value >= 1;
    }
    if (!status.isError()) {
      status = pciIo.pciRead(PciIo.Width.UINT16, PCI_SUBSYSTEM_ID, value);
      ours &= value.value >= SUBSYSTEM_ID_FIRST;
    }
    if (!status.isError()) {
      status = pciIo.pciRead(PciIo.Width.UINT16, PCI_STATUS, value);
      ours &= (value.value & PCI_STATUS_CAPABILITY_LIST) != 0;
    }
    if (status.isError()) {
      return status;
    }
    return ours ? EfiStatus.SUCCESS : EfiStatus.UNSUPPORTED;
  }

  @Override
  protected EfiStatus startOn(Handle controller, PciIo pciIo) {
    LongRef deviceId = new LongRef();
    EfiStatus status = pciIo.pciRead(PciIo.Width.UINT16, PCI_DEVICE_ID, deviceId);
    VirtioPciCapabilities found = new VirtioPciCapabilities(pciIo);
    if (!status.isError()) {
      status = found.parse();
    }
    LongRef original = new LongRef();
    if (!status.isError()) {
      status =
          enable(
              pciIo,
              PciIo.ATTRIBUTE_MEMORY
                  | PciIo.ATTRIBUTE_BUS_MASTER
                  | PciIo.ATTRIBUTE_DUAL_ADDRESS_CYCLE,
              original);
    }
    if (status.isError()) {
      return status;
    }
    Virtio10Device device =
        new Virtio10Device(bootServices, pciIo, (int) deviceId.value - DEVICE_ID_FIRST, found);
    return install(controller, pciIo, original.value, device);
  }
}
