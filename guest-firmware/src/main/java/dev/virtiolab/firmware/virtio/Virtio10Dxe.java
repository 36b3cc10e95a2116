package dev.virtiolab.firmware.virtio;

import static dev.virtiolab.firmware.virtio.VirtioPciLayout.*;

import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.DriverBinding;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.OpenAttribute;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * The driver that makes a VIRTIO_DEVICE_PROTOCOL of a modern virtio PCI function: edk2,
 * OvmfPkg/Virtio10Dxe. It takes 1af4:1040 to 1af4:107f of revision 1 and up (virtio v1.4, 4.1.2
 * "PCI Device Discovery").
 */
public final class Virtio10Dxe implements DriverBinding {

  private record Started(Virtio10Device device, PciIo pciIo, long originalAttributes) {}

  private final BootServices bootServices;
  private final Map<Handle, Started> started = new IdentityHashMap<>();
  private final Ref<Handle> handle = new Ref<>();
  private Optional<EfiStatus> lastStart = Optional.empty();

  public Virtio10Dxe(BootServices bootServices) {
    this.bootServices = bootServices;
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
    Ref<PciIo> pciIo = new Ref<>();
    EfiStatus status = openPciIo(controller, pciIo);
    if (status.isError()) {
      return status;
    }
    status = isModernVirtio(pciIo.value);
    closePciIo(controller);
    return status;
  }

  private static EfiStatus isModernVirtio(PciIo pciIo) {
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
  public EfiStatus start(Handle controller) {
    EfiStatus status = startOn(controller);
    lastStart = Optional.of(status);
    return status;
  }

  private EfiStatus startOn(Handle controller) {
    Ref<PciIo> opened = new Ref<>();
    EfiStatus status = openPciIo(controller, opened);
    if (status.isError()) {
      return status;
    }
    PciIo pciIo = opened.value;
    LongRef deviceId = new LongRef();
    status = pciIo.pciRead(PciIo.Width.UINT16, PCI_DEVICE_ID, deviceId);
    VirtioPciCapabilities found = new VirtioPciCapabilities(pciIo);
    if (!status.isError()) {
      status = found.parse();
    }
    LongRef original = new LongRef();
    if (!status.isError()) {
      status = pciIo.attributes(PciIo.AttributeOperation.GET, 0, original);
    }
    if (!status.isError()) {
      status =
          pciIo.attributes(
              PciIo.AttributeOperation.ENABLE,
              PciIo.ATTRIBUTE_MEMORY
                  | PciIo.ATTRIBUTE_BUS_MASTER
                  | PciIo.ATTRIBUTE_DUAL_ADDRESS_CYCLE,
              null);
    }
    if (status.isError()) {
      closePciIo(controller);
      return status;
    }
    Virtio10Device device =
        new Virtio10Device(bootServices, pciIo, (int) deviceId.value - DEVICE_ID_FIRST, found);
    status =
        bootServices.installProtocolInterface(new Ref<>(controller), VirtioDevice.PROTOCOL, device);
    if (status.isError()) {
      pciIo.attributes(PciIo.AttributeOperation.SET, original.value, null);
      closePciIo(controller);
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
    closePciIo(controller);
    return EfiStatus.SUCCESS;
  }

  private EfiStatus openPciIo(Handle controller, Ref<PciIo> pciIo) {
    return bootServices.openProtocol(
        controller, PciIo.PROTOCOL, pciIo, handle.value, controller, OpenAttribute.BY_DRIVER);
  }

  private void closePciIo(Handle controller) {
    bootServices.closeProtocol(controller, PciIo.PROTOCOL, handle.value, controller);
  }
}
