package dev.virtiolab.firmware.pci;

import static dev.virtiolab.firmware.pci.PciConfigLayout.*;

import dev.virtiolab.firmware.iommu.DmaObserver;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.IoMmu;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;

/**
 * PciIo of one function: edk2's MdeModulePkg/Bus/Pci/PciBusDxe/PciIo.c, with its order of checks.
 *
 * <p>A BAR is named by the index of its first register, a 64-bit one too, as in the UEFI
 * specification; edk2 counts on without the second register. The two agree where no 64-bit BAR is
 * followed by another.
 *
 * <p>Of the attributes there are those that mean something on this board: the three decoders, as
 * far as the function's command register has them, and DUAL_ADDRESS_CYCLE. Legacy VGA, ISA and IDE
 * ranges are UNSUPPORTED.
 */
final class PciIoInstance implements PciIo {
  /** A BAR index that stands for absolute addresses: EFI_PCI_IO_PASS_THROUGH_BAR. */
  static final int PASS_THROUGH_BAR = 0xff;

  private static final long DEVICE_ENABLE = ATTRIBUTE_IO | ATTRIBUTE_MEMORY | ATTRIBUTE_BUS_MASTER;
  private static final long BUFFER_ATTRIBUTES =
      IoMmu.ATTRIBUTE_MEMORY_WRITE_COMBINE | IoMmu.ATTRIBUTE_MEMORY_CACHED;
  private static final int COMMAND_DECODERS = COMMAND_IO | COMMAND_MEMORY | COMMAND_BUS_MASTER;

  private final RootBridge rootBridge;
  private final PciFunction function;
  private final PciIoInstance upstream;
  private final DmaObserver dmaObserver;
  private final int requesterId;
  private final long supports;
  private long attributes;
  private Handle handle;

  /**
   * @param upstream the bridge above, or null on bus 0
   */
  PciIoInstance(
      RootBridge rootBridge,
      PciFunction function,
      PciIoInstance upstream,
      DmaObserver dmaObserver) {
    this.rootBridge = rootBridge;
    this.function = function;
    this.upstream = upstream;
    this.dmaObserver = dmaObserver;
    requesterId = function.bus << 8 | function.device << 3 | function.function;
    int command = command();
    writeCommand(command | COMMAND_DECODERS);
    int sticks = command();
    writeCommand(command);
    supports = decoderAttributes(sticks) | ATTRIBUTE_DUAL_ADDRESS_CYCLE;
    attributes = decoderAttributes(command);
  }

  void installedOn(Handle ownHandle) {
    handle = ownHandle;
  }

  // Registers

  @Override
  public EfiStatus pollMem(
      Width width, int bar, long offset, long mask, long value, long delay, LongRef result) {
    if (width == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    if (verifyBarAccess(PciBar.Kind.MEMORY, width, bar, offset).isError()) {
      return EfiStatus.UNSUPPORTED;
    }
    return rootBridge.pollMem(width, base(bar) + offset, mask, value, delay, result);
  }

  @Override
  public EfiStatus memRead(Width width, int bar, long offset, LongRef value) {
    if (width == null || value == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    if (verifyBarAccess(PciBar.Kind.MEMORY, width, bar, offset).isError()) {
      return EfiStatus.UNSUPPORTED;
    }
    return rootBridge.memRead(width, base(bar) + offset, value);
  }

  @Override
  public EfiStatus memWrite(Width width, int bar, long offset, long value) {
    if (width == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    if (verifyBarAccess(PciBar.Kind.MEMORY, width, bar, offset).isError()) {
      return EfiStatus.UNSUPPORTED;
    }
    return rootBridge.memWrite(width, base(bar) + offset, value);
  }

  @Override
  public EfiStatus ioRead(Width width, int bar, long offset, LongRef value) {
    if (width == null || value == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    if (verifyBarAccess(PciBar.Kind.IO, width, bar, offset).isError()) {
      return EfiStatus.UNSUPPORTED;
    }
    return rootBridge.ioRead(width, base(bar) + offset, value);
  }

  @Override
  public EfiStatus ioWrite(Width width, int bar, long offset, long value) {
    if (width == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    if (verifyBarAccess(PciBar.Kind.IO, width, bar, offset).isError()) {
      return EfiStatus.UNSUPPORTED;
    }
    return rootBridge.ioWrite(width, base(bar) + offset, value);
  }

  /** PciIoVerifyBarAccess: INVALID_PARAMETER, which the callers return as UNSUPPORTED. */
  private EfiStatus verifyBarAccess(PciBar.Kind kind, Width width, int bar, long offset) {
    if (bar == PASS_THROUGH_BAR) {
      return EfiStatus.SUCCESS;
    }
    if (bar < 0 || bar >= PciFunction.BARS) {
      return EfiStatus.INVALID_PARAMETER;
    }
    PciBar found = function.bars[bar];
    return found.kind == kind && found.isAssigned() && found.contains(offset, width.bytes())
        ? EfiStatus.SUCCESS
        : EfiStatus.INVALID_PARAMETER;
  }

  private long base(int bar) {
    return bar == PASS_THROUGH_BAR ? 0 : function.bars[bar].address();
  }

  // Config space

  @Override
  public EfiStatus pciRead(Width width, int offset, LongRef value) {
    EfiStatus status = verifyConfigAccess(width, offset);
    return status.isError()
        ? status
        : rootBridge.pciRead(
            width, function.bus, function.device, function.function, offset, value);
  }

  @Override
  public EfiStatus pciWrite(Width width, int offset, long value) {
    EfiStatus status = verifyConfigAccess(width, offset);
    return status.isError()
        ? status
        : rootBridge.pciWrite(
            width, function.bus, function.device, function.function, offset, value);
  }

  private EfiStatus verifyConfigAccess(Width width, int offset) {
    if (width == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    int bytes = function.isPciExpress ? EXTENDED_CONFIG_BYTES : CONFIG_BYTES;
    return offset < 0 || offset > bytes - width.bytes() ? EfiStatus.UNSUPPORTED : EfiStatus.SUCCESS;
  }

  // DMA

  @Override
  public EfiStatus map(
      DmaOperation operation,
      long hostAddress,
      LongRef numberOfBytes,
      LongRef deviceAddress,
      Ref<DmaMapping> mapping) {
    // The 64-bit kinds are the root bridge's, not this protocol's.
    if (operation == null || operation.isDualAddress()) {
      return EfiStatus.INVALID_PARAMETER;
    }
    if (hostAddress == 0 || numberOfBytes == null || deviceAddress == null || mapping == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    long asked = numberOfBytes.value;
    EfiStatus status = mapAndAllow(operation, hostAddress, numberOfBytes, deviceAddress, mapping);
    if (status.isError()) {
      dmaObserver.mapFailed(requesterId, operation, hostAddress, asked, status);
    } else {
      dmaObserver.mapped(
          requesterId,
          operation,
          hostAddress,
          asked,
          numberOfBytes.value,
          deviceAddress.value,
          mapping.value);
    }
    return status;
  }

  private EfiStatus mapAndAllow(
      DmaOperation operation,
      long hostAddress,
      LongRef numberOfBytes,
      LongRef deviceAddress,
      Ref<DmaMapping> mapping) {
    boolean dual = (attributes & ATTRIBUTE_DUAL_ADDRESS_CYCLE) != 0;
    EfiStatus status =
        rootBridge.map(
            dual ? operation.dualAddress() : operation,
            hostAddress,
            numberOfBytes,
            deviceAddress,
            mapping);
    IoMmu ioMmu = rootBridge.ioMmu();
    if (status.isError() || ioMmu == null) {
      return status;
    }
    status = ioMmu.setAttribute(handle, mapping.value, access(operation));
    if (status.isError()) {
      // The caller will not unmap what it was told has failed; edk2 would leave it open.
      rootBridge.unmap(mapping.value);
    }
    return status;
  }

  private static long access(DmaOperation operation) {
    return switch (operation) {
      case BUS_MASTER_READ, BUS_MASTER_READ64 -> IoMmu.ACCESS_READ;
      case BUS_MASTER_WRITE, BUS_MASTER_WRITE64 -> IoMmu.ACCESS_WRITE;
      case BUS_MASTER_COMMON_BUFFER, BUS_MASTER_COMMON_BUFFER64 ->
          IoMmu.ACCESS_READ | IoMmu.ACCESS_WRITE;
    };
  }

  @Override
  public EfiStatus unmap(DmaMapping mapping) {
    IoMmu ioMmu = rootBridge.ioMmu();
    if (ioMmu != null) {
      // First the device loses its access; what comes of it is Unmap's to say.
      ioMmu.setAttribute(handle, mapping, 0);
    }
    EfiStatus status = rootBridge.unmap(mapping);
    dmaObserver.unmapped(requesterId, mapping, status);
    return status;
  }

  @Override
  public EfiStatus allocateBuffer(
      AllocateType type, MemoryType memoryType, long pages, LongRef hostAddress, long wanted) {
    if ((wanted & ~BUFFER_ATTRIBUTES) != 0) {
      return EfiStatus.UNSUPPORTED;
    }
    long dual = attributes & ATTRIBUTE_DUAL_ADDRESS_CYCLE;
    EfiStatus status =
        rootBridge.allocateBuffer(type, memoryType, pages, hostAddress, wanted | dual);
    if (!status.isError()) {
      dmaObserver.bufferAllocated(requesterId, pages, hostAddress.value);
    }
    return status;
  }

  @Override
  public EfiStatus freeBuffer(long pages, long hostAddress) {
    EfiStatus status = rootBridge.freeBuffer(pages, hostAddress);
    dmaObserver.bufferFreed(requesterId, pages, hostAddress, status);
    return status;
  }

  @Override
  public EfiStatus flush() {
    return rootBridge.flush();
  }

  // What and where it is

  @Override
  public EfiStatus getLocation(IntRef segment, IntRef bus, IntRef device, IntRef number) {
    if (segment == null || bus == null || device == null || number == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    segment.value = 0;
    bus.value = function.bus;
    device.value = function.device;
    number.value = function.function;
    return EfiStatus.SUCCESS;
  }

  @Override
  public EfiStatus attributes(AttributeOperation operation, long wanted, LongRef result) {
    if (operation == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    switch (operation) {
      case GET, SUPPORTED -> {
        if (result == null) {
          return EfiStatus.INVALID_PARAMETER;
        }
        result.value = operation == AttributeOperation.GET ? attributes : supports;
        return EfiStatus.SUCCESS;
      }
      case SET -> {
        boolean failed =
            change(true, wanted).isError() || change(false, ~wanted & supports).isError();
        return failed ? EfiStatus.UNSUPPORTED : EfiStatus.SUCCESS;
      }
      case ENABLE, DISABLE -> {
        return change(operation == AttributeOperation.ENABLE, wanted);
      }
    }
    throw new IllegalStateException("unknown operation: " + operation);
  }

  private EfiStatus change(boolean enable, long wanted) {
    long changed = wanted;
    if ((changed & DEVICE_ENABLE) == DEVICE_ENABLE) {
      // All three decoders stand for those that the function has.
      changed &= supports;
    }
    if ((changed & ~supports) != 0) {
      return EfiStatus.UNSUPPORTED;
    }
    int command = decoders(changed);
    if (command != 0) {
      writeCommand(enable ? command() | command : command() & ~command);
    }
    if (!enable) {
      attributes &= ~changed;
      return EfiStatus.SUCCESS;
    }
    attributes |= changed;
    // The decoders of bridges are on since enumeration.
    return upstream == null ? EfiStatus.SUCCESS : upstream.change(true, changed & ~DEVICE_ENABLE);
  }

  private static long decoderAttributes(int command) {
    return ((command & COMMAND_IO) != 0 ? ATTRIBUTE_IO : 0)
        | ((command & COMMAND_MEMORY) != 0 ? ATTRIBUTE_MEMORY : 0)
        | ((command & COMMAND_BUS_MASTER) != 0 ? ATTRIBUTE_BUS_MASTER : 0);
  }

  private static int decoders(long attributes) {
    return ((attributes & ATTRIBUTE_IO) != 0 ? COMMAND_IO : 0)
        | ((attributes & ATTRIBUTE_MEMORY) != 0 ? COMMAND_MEMORY : 0)
        | ((attributes & ATTRIBUTE_BUS_MASTER) != 0 ? COMMAND_BUS_MASTER : 0);
  }

  private int command() {
    return (int)
        rootBridge.configRead(function.bus, function.device, function.function, COMMAND, 2);
  }

  private void writeCommand(int value) {
    rootBridge.configWrite(
        function.bus, function.device, function.function, COMMAND, 2, value & 0xffff);
  }

  @Override
  public EfiStatus getBarAttributes(int bar, LongRef base, LongRef length) {
    if (base == null && length == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    if (bar < 0 || bar >= PciFunction.BARS || !function.bars[bar].isAssigned()) {
      return EfiStatus.UNSUPPORTED;
    }
    if (base != null) {
      base.value = function.bars[bar].address();
    }
    if (length != null) {
      length.value = function.bars[bar].length;
    }
    return EfiStatus.SUCCESS;
  }
}
