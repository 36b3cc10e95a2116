package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.handoff.HandOff;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.IoMmu;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.iommu.PageAttributes;
import dev.virtiolab.pci.cpu.CpuMemory;
import java.util.ArrayList;
import java.util.List;

/**
 * The IOMMU protocol of a guest under SEV: edk2's OvmfPkg/IoMmuDxe (CcIoMmu.c, IoMmuBuffer.c).
 *
 * <p>A life of a mapping, by operation:
 *
 * <pre>
 *            Map                                       Unmap
 *   Read     bounce &lt;- client                           bounce: C-bit on, zero, free
 *   Write    bounce = 0                                client &lt;- bounce; bounce: as above
 *   Common   stash &lt;- buffer; C-bit off;                stash &lt;- buffer; C-bit on;
 *            buffer &lt;- stash                            buffer &lt;- stash
 * </pre>
 *
 * <p>A bounce buffer or a common buffer in a reserved slot ({@link BounceSlots}) is shared already,
 * and its C-bit stays off. A flip converts nothing, so a page that has just been shared shows the
 * ciphertext of what was in it until it is written.
 *
 * <p>Where this driver is stricter than edk2's, which asserts or does not look:
 *
 * <ul>
 *   <li>what Map leaves unused of a bounce buffer is zero, and a reserved slot is zeroed whenever
 *       it is given back, by FreeBuffer too;
 *   <li>memory that is none, a mapping that is unknown or gone, a common buffer that AllocateBuffer
 *       did not make, that is too short or mapped already, and FreeBuffer of one that is still
 *       mapped are INVALID_PARAMETER.
 * </ul>
 */
public final class IoMmuDxe implements IoMmu, MappingTeardown {
  static final long BASE_4_GIB = 1L << 32;
  static final long BELOW_4_GIB = BASE_4_GIB - 1;

  private final BootServices bootServices;
  private final CpuMemory memory;
  private final HandOff handOff;
  private final PageEncMask encMask;
  private final ReservedSlots slots;
  private final DmaObserver observer;
  private final DmaCounters counters;
  private final MappingPool<MapInfo> mapInfos = new MappingPool<>(MapInfo.class, MapInfo::new);

  /** A driver allocates a handful of these; a search from end to end is short. */
  private final List<CommonBuffer> commonBuffers = new ArrayList<>();

  private final LongRef pagesRef = new LongRef();
  private boolean memoryMapLocked;

  /**
   * @param handOff says where RAM is
   * @param pageAttributes the guest's C-bits
   * @param slots the reserved bounce buffers
   * @param observer told what is taken down without a driver's Unmap
   */
  public IoMmuDxe(
      BootServices bootServices,
      CpuMemory memory,
      HandOff handOff,
      PageAttributes pageAttributes,
      BounceSlots slots,
      DmaCounters counters,
      DmaObserver observer) {
    this.bootServices = bootServices;
    this.memory = memory;
    this.handOff = handOff;
    this.encMask = new PageEncMask(pageAttributes, counters);
    this.slots = new ReservedSlots(slots, encMask, memory, counters);
    this.counters = counters;
    this.observer = observer;
  }

  /**
   * The driver's entry point: installs the protocol, reserves the slots. Where there is no room for
   * the slots the driver does without, as edk2's does; {@link DmaCounters#slotsReserved()} tells.
   */
  public EfiStatus start() {
    EfiStatus status = bootServices.installProtocolInterface(new Ref<>(), IoMmu.PROTOCOL, this);
    if (status.isError()) {
      return status;
    }
    slots.reserve(bootServices);
    return EfiStatus.SUCCESS;
  }

  @Override
  public EfiStatus map(
      DmaOperation operation,
      long hostAddress,
      LongRef numberOfBytes,
      LongRef deviceAddress,
      Ref<DmaMapping> mapping) {
    if (hostAddress == 0 || numberOfBytes == null || deviceAddress == null || mapping == null) {
      counters.mapFailed();
      return EfiStatus.INVALID_PARAMETER;
    }
    MapInfo mapInfo = mapInfos.acquire();
    mapInfo.operation = operation;
    mapInfo.numberOfBytes = numberOfBytes.value;
    mapInfo.numberOfPages = PageEncMask.sizeToPages(numberOfBytes.value);
    mapInfo.cryptedAddress = hostAddress;
    mapInfo.slot = ReservedSlots.NONE;

    EfiStatus status = findPlainText(mapInfo);
    if (status.isError()) {
      mapInfos.release(mapInfo);
      numberOfBytes.value = 0;
      counters.mapFailed();
      return status;
    }
    exposePlainText(mapInfo);
    mapInfos.open(mapInfo);
    counters.mapped(operation);
    deviceAddress.value = mapInfo.plainTextAddress;
    mapping.value = mapInfo;
    return EfiStatus.SUCCESS;
  }

  /** Decides where the device's view of the data will be, and allocates it if need be. */
  private EfiStatus findPlainText(MapInfo mapInfo) {
    if (mapInfo.operation == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    return switch (mapInfo.operation) {
      case BUS_MASTER_READ, BUS_MASTER_WRITE ->
          allocateBounceBuffer(AllocateType.MAX_ADDRESS, mapInfo);
      case BUS_MASTER_READ64, BUS_MASTER_WRITE64 ->
          allocateBounceBuffer(AllocateType.ANY_PAGES, mapInfo);
      case BUS_MASTER_COMMON_BUFFER ->
          // In place or not at all.
          endsBelow4Gib(mapInfo) ? findCommonBuffer(mapInfo) : EfiStatus.UNSUPPORTED;
      case BUS_MASTER_COMMON_BUFFER64 -> findCommonBuffer(mapInfo);
    };
  }

  private static boolean endsBelow4Gib(MapInfo mapInfo) {
    long address = mapInfo.cryptedAddress;
    return Long.compareUnsigned(address, BASE_4_GIB) <= 0
        && mapInfo.numberOfPages <= (BASE_4_GIB - address) >>> PageEncMask.PAGE_SHIFT;
  }

  private EfiStatus allocateBounceBuffer(AllocateType type, MapInfo mapInfo) {
    if (!handOff.isRam(mapInfo.cryptedAddress, mapInfo.numberOfBytes)) {
      return EfiStatus.INVALID_PARAMETER;
    }
    mapInfo.slot = slots.take(mapInfo.numberOfPages);
    if (mapInfo.slot != ReservedSlots.NONE) {
      mapInfo.plainTextAddress = slots.address(mapInfo.slot);
      return EfiStatus.SUCCESS;
    }
    pagesRef.value = BELOW_4_GIB;
    EfiStatus status =
        bootServices.allocatePages(
            type, MemoryType.BOOT_SERVICES_DATA, mapInfo.numberOfPages, pagesRef);
    mapInfo.plainTextAddress = pagesRef.value;
    return status;
  }

  private EfiStatus findCommonBuffer(MapInfo mapInfo) {
    CommonBuffer buffer = commonBufferAt(mapInfo.cryptedAddress);
    if (buffer == null
        || buffer.mapped
        || mapInfo.numberOfPages == 0
        || Long.compareUnsigned(mapInfo.numberOfPages, buffer.pages) > 0) {
      return EfiStatus.INVALID_PARAMETER;
    }
    mapInfo.commonBuffer = buffer;
    mapInfo.slot = buffer.slot;
    mapInfo.plainTextAddress = mapInfo.cryptedAddress;
    return EfiStatus.SUCCESS;
  }

  /** Shares the pages and puts into them what the device is to see. */
  private void exposePlainText(MapInfo mapInfo) {
    CommonBuffer buffer = mapInfo.commonBuffer;
    long plainText = mapInfo.plainTextAddress;
    long bytes = mapInfo.numberOfBytes;
    if (buffer != null) {
      buffer.mapped = true;
      memory.copy(mapInfo.cryptedAddress, buffer.stash, bytes);
    }
    if (mapInfo.slot == ReservedSlots.NONE) {
      encMask.clear(plainText, mapInfo.numberOfPages);
    }
    if (buffer != null) {
      memory.copy(buffer.stash, plainText, bytes);
      return;
    }
    long copied = 0;
    if (mapInfo.isRead()) {
      memory.copy(mapInfo.cryptedAddress, plainText, bytes);
      counters.bouncedToDevice(bytes);
      copied = bytes;
    }
    if (mapInfo.slot == ReservedSlots.NONE) {
      // The rest still shows the ciphertext of whatever the pages held before; a slot is all zero.
      long size = mapInfo.numberOfPages << PageEncMask.PAGE_SHIFT;
      memory.fill(plainText + copied, size - copied, (byte) 0);
    }
  }

  @Override
  public EfiStatus unmap(DmaMapping mapping) {
    MapInfo mapInfo = mapInfos.find(mapping);
    if (mapInfo == null) {
      counters.unmapInvalid();
      return EfiStatus.INVALID_PARAMETER;
    }
    unmapWorker(mapInfo);
    return EfiStatus.SUCCESS;
  }

  private void unmapWorker(MapInfo mapInfo) {
    CommonBuffer buffer = mapInfo.commonBuffer;
    long plainText = mapInfo.plainTextAddress;
    long bytes = mapInfo.numberOfBytes;
    if (buffer != null) {
      memory.copy(plainText, buffer.stash, bytes);
    } else if (mapInfo.isWrite()) {
      memory.copy(plainText, mapInfo.cryptedAddress, bytes);
      counters.bouncedFromDevice(bytes);
    }
    if (mapInfo.slot == ReservedSlots.NONE) {
      encMask.set(plainText, mapInfo.numberOfPages);
    }
    if (buffer != null) {
      memory.copy(buffer.stash, mapInfo.cryptedAddress, bytes);
      buffer.mapped = false;
    } else {
      // A device that reads has left the rest of the slot as it was: zero.
      boolean onlyRead = mapInfo.slot != ReservedSlots.NONE && mapInfo.isRead();
      long used = onlyRead ? bytes : mapInfo.numberOfPages << PageEncMask.PAGE_SHIFT;
      memory.fill(plainText, used, (byte) 0);
      if (!memoryMapLocked) {
        freeBounceBuffer(mapInfo);
      }
    }
    mapInfos.close(mapInfo);
    counters.unmapped();
    if (!memoryMapLocked) {
      mapInfos.release(mapInfo);
    }
  }

  private void freeBounceBuffer(MapInfo mapInfo) {
    if (mapInfo.slot != ReservedSlots.NONE) {
      slots.giveBack(mapInfo.slot);
      return;
    }
    EfiStatus status = bootServices.freePages(mapInfo.plainTextAddress, mapInfo.numberOfPages);
    if (status.isError()) {
      throw new IllegalStateException(
          "bounce buffer is not ours to free: address=0x%x pages=%d status=%s"
              .formatted(mapInfo.plainTextAddress, mapInfo.numberOfPages, status));
    }
  }

  /**
   * {@inheritDoc}
   *
   * <p>Map implies the access already, so this only checks that {@code access} is what the
   * mapping's operation stands for, or 0.
   */
  @Override
  public EfiStatus setAttribute(Handle controller, DmaMapping mapping, long access) {
    MapInfo mapInfo = mapInfos.find(mapping);
    if (mapInfo == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    if (access == 0) {
      return EfiStatus.SUCCESS;
    }
    return access == mapInfo.impliedAccess() ? EfiStatus.SUCCESS : EfiStatus.INVALID_PARAMETER;
  }

  /**
   * {@inheritDoc}
   *
   * <p>{@code type} is ignored. The buffer lies below 4 GiB unless {@code attributes} has
   * DUAL_ADDRESS_CYCLE.
   */
  @Override
  public EfiStatus allocateBuffer(
      AllocateType type, MemoryType memoryType, long pages, LongRef hostAddress, long attributes) {
    EfiStatus checked = BufferRequest.check(memoryType, hostAddress, attributes);
    if (checked.isError()) {
      return checked;
    }
    if (pages == 0 || pages == -1) { // nothing, or no room to count the header page
      return EfiStatus.OUT_OF_RESOURCES;
    }
    EfiStatus status =
        bootServices.allocatePages(
            AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, pages, pagesRef);
    if (status.isError()) {
      return EfiStatus.OUT_OF_RESOURCES;
    }
    long stash = pagesRef.value;
    long headerPage;
    int slot = slots.take(pages + 1);
    if (slot != ReservedSlots.NONE) {
      headerPage = slots.address(slot) - PageEncMask.PAGE_BYTES;
    } else {
      boolean anywhere = (attributes & ATTRIBUTE_DUAL_ADDRESS_CYCLE) != 0;
      pagesRef.value = BELOW_4_GIB;
      status =
          bootServices.allocatePages(
              anywhere ? AllocateType.ANY_PAGES : AllocateType.MAX_ADDRESS,
              memoryType,
              pages + 1,
              pagesRef);
      if (status.isError()) {
        bootServices.freePages(stash, pages);
        return status;
      }
      headerPage = pagesRef.value;
    }
    CommonBuffer buffer = new CommonBuffer(headerPage + PageEncMask.PAGE_BYTES, pages, stash, slot);
    memory.putLong(headerPage + CommonBuffer.SIGNATURE_OFFSET, CommonBuffer.SIGNATURE);
    memory.putLong(headerPage + CommonBuffer.STASH_OFFSET, stash);
    commonBuffers.add(buffer);
    hostAddress.value = buffer.hostAddress;
    return EfiStatus.SUCCESS;
  }

  @Override
  public EfiStatus freeBuffer(long pages, long hostAddress) {
    CommonBuffer buffer = commonBufferAt(hostAddress);
    if (buffer == null || buffer.pages != pages || buffer.mapped) {
      return EfiStatus.INVALID_PARAMETER;
    }
    commonBuffers.remove(buffer);
    memory.fill(buffer.headerPage(), CommonBuffer.HEADER_BYTES, (byte) 0);
    EfiStatus status = bootServices.freePages(buffer.stash, pages);
    if (buffer.slot != ReservedSlots.NONE) {
      slots.zero(buffer.slot, pages << PageEncMask.PAGE_SHIFT);
      slots.giveBack(buffer.slot);
      return status;
    }
    EfiStatus freed = bootServices.freePages(buffer.headerPage(), pages + 1);
    return status.isError() ? status : freed;
  }

  private CommonBuffer commonBufferAt(long hostAddress) {
    for (int i = 0; i < commonBuffers.size(); i++) {
      CommonBuffer buffer = commonBuffers.get(i);
      if (buffer.hostAddress == hostAddress) {
        return buffer;
      }
    }
    return null;
  }

  @Override
  public void lockMemoryMap() {
    memoryMapLocked = true;
  }

  @Override
  public void unmapAll() {
    lockMemoryMap();
    mapInfos.takeDown(this::unmapWorker, observer);
  }

  @Override
  public void releaseSlots() {
    slots.release();
  }

  @Override
  public int openMappings() {
    return mapInfos.openCount();
  }
}
