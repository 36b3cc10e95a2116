package dev.virtiolab.firmware.pci;

import dev.virtiolab.firmware.handoff.HandOff;
import dev.virtiolab.firmware.iommu.BufferRequest;
import dev.virtiolab.firmware.iommu.DmaCounters;
import dev.virtiolab.firmware.iommu.DmaObserver;
import dev.virtiolab.firmware.iommu.MappingPool;
import dev.virtiolab.firmware.iommu.MappingTeardown;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IoMmu;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.PciIo.Width;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.pci.cpu.CpuBus;
import dev.virtiolab.pci.cpu.CpuMemory;

/**
 * The root bridge: EFI_PCI_ROOT_BRIDGE_IO_PROTOCOL (UEFI Specification 2.10, 14.2), as far as PciIo
 * needs it; edk2's MdeModulePkg/Bus/Pci/PciHostBridgeDxe/PciRootBridgeIo.c.
 *
 * <p>Config space is reached through the enhanced configuration access mechanism where the platform
 * has it, else through ports CF8h and CFCh, which show the first 256 bytes only.
 */
public final class RootBridge implements MappingTeardown {
  private static final int CONFIG_ADDRESS = 0xcf8;
  private static final int CONFIG_DATA = 0xcfc;
  private static final int CONFIG_ENABLE = 0x8000_0000;

  private static final long BASE_4_GIB = 1L << 32;
  private static final long BELOW_4_GIB = BASE_4_GIB - 1;
  private static final int PAGE_SHIFT = 12;

  /** PollMem looks again after so many microseconds, which are so many of its units. */
  private static final long POLL_STALL_MICROSECONDS = 10;

  private static final long POLL_STALL_UNITS = 100;

  private final BootServices bootServices;
  private final CpuBus bus;
  private final CpuMemory memory;
  private final HandOff handOff;
  private final PciResources resources;
  private final DmaCounters counters;
  private final DmaObserver observer;
  private final MappingPool<RootBridgeMapping> mappings =
      new MappingPool<>(RootBridgeMapping.class, RootBridgeMapping::new);

  private final LongRef pagesRef = new LongRef();
  private IoMmu ioMmu;
  private boolean memoryMapLocked;

  /**
   * @param handOff says where RAM is
   * @param counters where mappings are counted that no IOMMU driver counts
   * @param observer told what is taken down without a driver's Unmap
   */
  public RootBridge(
      BootServices bootServices,
      CpuBus bus,
      CpuMemory memory,
      HandOff handOff,
      PciResources resources,
      DmaCounters counters,
      DmaObserver observer) {
    this.bootServices = bootServices;
    this.bus = bus;
    this.memory = memory;
    this.handOff = handOff;
    this.resources = resources;
    this.counters = counters;
    this.observer = observer;
  }

  /** What the platform gave. */
  public PciResources resources() {
    return resources;
  }

  /** Routes DMA through the IOMMU protocol from now on; null for none. */
  void useIoMmu(IoMmu protocol) {
    ioMmu = protocol;
  }

  IoMmu ioMmu() {
    return ioMmu;
  }

  // Config space

  /**
   * Reads configuration space; what no function answers reads as all ones.
   *
   * @param offset below 4096 (256 without ECAM), a multiple of {@code width}
   * @param width 1, 2, 4 or 8 bytes
   */
  public long configRead(int busNumber, int device, int function, int offset, int width) {
    if (width == 8) { // as two, the low one first
      long low = configRead(busNumber, device, function, offset, 4);
      return low | configRead(busNumber, device, function, offset + 4, 4) << 32;
    }
    if (hasEcam()) {
      return bus.mmioRead(ecamAddress(busNumber, device, function, offset), width);
    }
    bus.portWrite(CONFIG_ADDRESS, 4, configAddress(busNumber, device, function, offset));
    return bus.portRead(CONFIG_DATA + (offset & 3), width) & (-1L >>> (64 - 8 * width));
  }

  /** Writes configuration space; see {@link #configRead}. */
  public void configWrite(
      int busNumber, int device, int function, int offset, int width, long value) {
    if (width == 8) {
      configWrite(busNumber, device, function, offset, 4, value & 0xffff_ffffL);
      configWrite(busNumber, device, function, offset + 4, 4, value >>> 32);
    } else if (hasEcam()) {
      bus.mmioWrite(ecamAddress(busNumber, device, function, offset), width, value);
    } else {
      bus.portWrite(CONFIG_ADDRESS, 4, configAddress(busNumber, device, function, offset));
      bus.portWrite(CONFIG_DATA + (offset & 3), width, (int) value);
    }
  }

  /** Bytes of configuration space that can be reached. */
  int configBytes() {
    return hasEcam() ? PciConfigLayout.EXTENDED_CONFIG_BYTES : PciConfigLayout.CONFIG_BYTES;
  }

  private boolean hasEcam() {
    return resources.ecamBase() != PciResources.NO_ECAM;
  }

  private long ecamAddress(int busNumber, int device, int function, int offset) {
    return resources.ecamBase() + ((long) busNumber << 20 | device << 15 | function << 12 | offset);
  }

  private static int configAddress(int busNumber, int device, int function, int offset) {
    return CONFIG_ENABLE | busNumber << 16 | device << 11 | function << 8 | (offset & 0xfc);
  }

  /** Pci.Read of the protocol. */
  EfiStatus pciRead(
      Width width, int busNumber, int device, int function, int offset, LongRef value) {
    EfiStatus status = checkConfig(width, offset);
    if (value == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    if (!status.isError()) {
      value.value = configRead(busNumber, device, function, offset, width.bytes());
    }
    return status;
  }

  /** Pci.Write of the protocol. */
  EfiStatus pciWrite(Width width, int busNumber, int device, int function, int offset, long value) {
    EfiStatus status = checkConfig(width, offset);
    if (!status.isError()) {
      configWrite(busNumber, device, function, offset, width.bytes(), value);
    }
    return status;
  }

  private EfiStatus checkConfig(Width width, int offset) {
    if ((offset & (width.bytes() - 1)) != 0) {
      return EfiStatus.UNSUPPORTED;
    }
    return offset + width.bytes() > configBytes() ? EfiStatus.INVALID_PARAMETER : EfiStatus.SUCCESS;
  }

  // Registers

  EfiStatus memRead(Width width, long address, LongRef value) {
    EfiStatus status = checkMemory(width, address);
    if (!status.isError()) {
      value.value = bus.mmioRead(address, width.bytes());
    }
    return status;
  }

  EfiStatus memWrite(Width width, long address, long value) {
    EfiStatus status = checkMemory(width, address);
    if (!status.isError()) {
      bus.mmioWrite(address, width.bytes(), value);
    }
    return status;
  }

  private EfiStatus checkMemory(Width width, long address) {
    if ((address & (width.bytes() - 1)) != 0) {
      return EfiStatus.UNSUPPORTED;
    }
    return resources.containsMemory(address, width.bytes())
        ? EfiStatus.SUCCESS
        : EfiStatus.INVALID_PARAMETER;
  }

  EfiStatus ioRead(Width width, long port, LongRef value) {
    EfiStatus status = checkIo(width, port);
    if (!status.isError()) {
      int bits = 8 * width.bytes();
      value.value = bus.portRead((int) port, width.bytes()) & (-1L >>> (64 - bits));
    }
    return status;
  }

  EfiStatus ioWrite(Width width, long port, long value) {
    EfiStatus status = checkIo(width, port);
    if (!status.isError()) {
      bus.portWrite((int) port, width.bytes(), (int) value);
    }
    return status;
  }

  private EfiStatus checkIo(Width width, long port) {
    if ((port & (width.bytes() - 1)) != 0) {
      return EfiStatus.UNSUPPORTED;
    }
    // No processor has an eight-byte port access.
    return width != Width.UINT64 && resources.containsIo(port, width.bytes())
        ? EfiStatus.SUCCESS
        : EfiStatus.INVALID_PARAMETER;
  }

  /**
   * Reads until {@code (value & mask)} is as wanted. It looks at least once, and with a delay at
   * least twice.
   *
   * @param delay 100 ns units, unsigned; 0 means one look, which then succeeds whatever it saw
   */
  EfiStatus pollMem(Width width, long address, long mask, long wanted, long delay, LongRef result) {
    if (result == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    EfiStatus status = memRead(width, address, result);
    if (status.isError() || (result.value & mask) == wanted || delay == 0) {
      return status;
    }
    long left = delay;
    while (true) {
      bootServices.stall(POLL_STALL_MICROSECONDS);
      status = memRead(width, address, result);
      if (status.isError() || (result.value & mask) == wanted) {
        return status;
      }
      if (Long.compareUnsigned(left, POLL_STALL_UNITS) <= 0) {
        return EfiStatus.TIMEOUT;
      }
      left -= POLL_STALL_UNITS;
    }
  }

  // DMA

  /**
   * Map of the protocol: through the IOMMU if there is one; else nothing to do where the device can
   * reach the buffer, and a buffer below 4 GiB where it cannot.
   */
  EfiStatus map(
      DmaOperation operation,
      long hostAddress,
      LongRef numberOfBytes,
      LongRef deviceAddress,
      Ref<DmaMapping> mapping) {
    if (ioMmu != null) {
      DmaOperation passed = resources.dmaAbove4G() ? operation : singleAddress(operation);
      return ioMmu.map(passed, hostAddress, numberOfBytes, deviceAddress, mapping);
    }
    boolean reachesAll = resources.dmaAbove4G() && operation.isDualAddress();
    RootBridgeMapping made = mappings.acquire();
    made.wish(singleAddress(operation), hostAddress, numberOfBytes.value);
    if (!reachesAll && !endsBelow4Gib(hostAddress, numberOfBytes.value)) {
      EfiStatus status = bounce(made);
      if (status.isError()) {
        mappings.release(made);
        if (status != EfiStatus.UNSUPPORTED) {
          numberOfBytes.value = 0;
        }
        counters.mapFailed();
        return status;
      }
    }
    mappings.open(made);
    counters.mapped(operation);
    deviceAddress.value = made.bounceAddress == 0 ? hostAddress : made.bounceAddress;
    mapping.value = made;
    return EfiStatus.SUCCESS;
  }

  private static boolean endsBelow4Gib(long address, long bytes) {
    return Long.compareUnsigned(address, BASE_4_GIB) <= 0
        && Long.compareUnsigned(bytes, BASE_4_GIB - address) <= 0;
  }

  private static DmaOperation singleAddress(DmaOperation operation) {
    return switch (operation) {
      case BUS_MASTER_READ, BUS_MASTER_READ64 -> DmaOperation.BUS_MASTER_READ;
      case BUS_MASTER_WRITE, BUS_MASTER_WRITE64 -> DmaOperation.BUS_MASTER_WRITE;
      case BUS_MASTER_COMMON_BUFFER, BUS_MASTER_COMMON_BUFFER64 ->
          DmaOperation.BUS_MASTER_COMMON_BUFFER;
    };
  }

  /** Finds a buffer below 4 GiB, and puts what the device is to read there. */
  private EfiStatus bounce(RootBridgeMapping mapping) {
    if (!mapping.isRead() && !mapping.isWrite()) {
      return EfiStatus.UNSUPPORTED; // a common buffer is where it is
    }
    long bytes = mapping.bytes();
    if (!handOff.isRam(mapping.hostAddress, bytes)) {
      return EfiStatus.INVALID_PARAMETER;
    }
    mapping.numberOfPages = (bytes >>> PAGE_SHIFT) + ((bytes & 0xfff) == 0 ? 0 : 1);
    pagesRef.value = BELOW_4_GIB;
    EfiStatus status =
        bootServices.allocatePages(
            AllocateType.MAX_ADDRESS,
            MemoryType.BOOT_SERVICES_DATA,
            mapping.numberOfPages,
            pagesRef);
    if (status.isError()) {
      return status;
    }
    mapping.bounceAddress = pagesRef.value;
    if (mapping.isRead()) {
      memory.copy(mapping.hostAddress, mapping.bounceAddress, bytes);
      counters.bouncedToDevice(bytes);
    }
    return EfiStatus.SUCCESS;
  }

  /** Unmap of the protocol. */
  EfiStatus unmap(DmaMapping mapping) {
    if (ioMmu != null) {
      return ioMmu.unmap(mapping);
    }
    RootBridgeMapping ours = mappings.find(mapping);
    if (ours == null) {
      counters.unmapInvalid();
      return EfiStatus.INVALID_PARAMETER;
    }
    unmapWorker(ours);
    return EfiStatus.SUCCESS;
  }

  private void unmapWorker(RootBridgeMapping mapping) {
    if (mapping.bounceAddress != 0 && mapping.isWrite()) {
      memory.copy(mapping.bounceAddress, mapping.hostAddress, mapping.bytes());
      counters.bouncedFromDevice(mapping.bytes());
    }
    mappings.close(mapping);
    counters.unmapped();
    if (memoryMapLocked) {
      return;
    }
    if (mapping.bounceAddress != 0) {
      bootServices.freePages(mapping.bounceAddress, mapping.numberOfPages);
    }
    mappings.release(mapping);
  }

  /** AllocateBuffer of the protocol. */
  EfiStatus allocateBuffer(
      AllocateType type, MemoryType memoryType, long pages, LongRef hostAddress, long attributes) {
    EfiStatus checked = BufferRequest.check(memoryType, hostAddress, attributes);
    if (checked.isError()) {
      return checked;
    }
    boolean anywhere =
        resources.dmaAbove4G() && (attributes & IoMmu.ATTRIBUTE_DUAL_ADDRESS_CYCLE) != 0;
    if (ioMmu != null) {
      long passed = anywhere ? attributes : attributes & ~IoMmu.ATTRIBUTE_DUAL_ADDRESS_CYCLE;
      return ioMmu.allocateBuffer(type, memoryType, pages, hostAddress, passed);
    }
    pagesRef.value = BELOW_4_GIB;
    EfiStatus status =
        bootServices.allocatePages(
            anywhere ? AllocateType.ANY_PAGES : AllocateType.MAX_ADDRESS,
            memoryType,
            pages,
            pagesRef);
    if (!status.isError()) {
      hostAddress.value = pagesRef.value;
    }
    return status;
  }

  /** FreeBuffer of the protocol. */
  EfiStatus freeBuffer(long pages, long hostAddress) {
    return ioMmu != null
        ? ioMmu.freeBuffer(pages, hostAddress)
        : bootServices.freePages(hostAddress, pages);
  }

  /**
   * Flush of the protocol: nothing is posted between this bus and memory, but what has arrived
   * there may be hidden from the CPU.
   */
  EfiStatus flush() {
    return ioMmu != null ? ioMmu.flush() : EfiStatus.SUCCESS;
  }

  // ---- ExitBootServices, where there is no IOMMU driver

  @Override
  public void lockMemoryMap() {
    memoryMapLocked = true;
  }

  @Override
  public void unmapAll() {
    lockMemoryMap();
    mappings.takeDown(this::unmapWorker, observer);
  }

  /** {@inheritDoc} There are none here. */
  @Override
  public void releaseSlots() {}

  @Override
  public int openMappings() {
    return mappings.openCount();
  }
}
