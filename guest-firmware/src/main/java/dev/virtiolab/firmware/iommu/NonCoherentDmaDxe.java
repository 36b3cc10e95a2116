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
import dev.virtiolab.pci.cpu.CpuCache;
import dev.virtiolab.pci.cpu.CpuMemory;

/**
 * The IOMMU protocol of a board that has no IOMMU, but whose bus masters do not see the CPU's cache
 * and find memory at other addresses: what edk2's EmbeddedPkg/Library/NonCoherentDmaLib does, and
 * the offset of its PciHostBridgeDxe.
 *
 * <p>A life of a mapping, by operation:
 *
 * <pre>
 *                       Map                              Flush, Unmap
 *   Read                write back                       -
 *   Read, bounced       bounce &lt;- client, write back     -
 *   Write               write back and invalidate        invalidate
 *   Write, bounced      bounce &lt;- client,                invalidate bounce,
 *                       write back and invalidate        client &lt;- bounce
 *   Common              -                                -
 * </pre>
 *
 * <p>The device address is the CPU's plus the offset. Bounced is what a device could not reach (a
 * 32-bit operation that ends above 4 GiB on the bus), and a Write that does not begin and end with
 * a line: the rest of those lines is somebody else's, and what he writes to it while the mapping is
 * open would, on its way to memory, take along old bytes over the device's. A Write on uncached
 * pages needs neither. A common buffer is memory from AllocateBuffer, which makes its pages
 * uncached, or UNSUPPORTED.
 *
 * <p>Where this driver differs from edk2's:
 *
 * <ul>
 *   <li>what a device leaves alone of a Write mapping keeps its bytes, bounced or not: in edk2 a
 *       bounced one shows what the bounce buffer held before;
 *   <li>a common buffer is checked for what it is, and not only where it is not whole lines;
 *   <li>Flush lets the CPU see what devices have written so far to mappings that are still open;
 *       edk2's root bridge does nothing there;
 *   <li>a mapping that is unknown or gone, no bytes, memory that is none, and FreeBuffer of what
 *       AllocateBuffer did not give or what is mapped, are INVALID_PARAMETER.
 * </ul>
 */
public final class NonCoherentDmaDxe implements IoMmu, MappingTeardown {
  private static final long BASE_4_GIB = 1L << 32;

  private final BootServices bootServices;
  private final CpuMemory memory;
  private final CpuCache cache;
  private final HandOff handOff;
  private final long offset;
  private final long lineMask;

  /** The highest address that a 32-bit device reaches; negative: none. */
  private final long lastBelow4Gib;

  private final DmaObserver observer;
  private final DmaCounters counters;
  private final BouncePool bouncePool;
  private final MappingPool<NonCoherentMapping> mappings =
      new MappingPool<>(NonCoherentMapping.class, NonCoherentMapping::new);

  private final DmaBuffers uncachedBuffers = new DmaBuffers();

  private final LongRef pagesRef = new LongRef();
  private boolean memoryMapLocked;

  /**
   * @param handOff says where RAM is, for the CPU and for bus masters
   * @param observer told what is taken down without a driver's Unmap
   */
  public NonCoherentDmaDxe(
      BootServices bootServices,
      CpuMemory memory,
      CpuCache cache,
      HandOff handOff,
      DmaCounters counters,
      DmaObserver observer) {
    this.bootServices = bootServices;
    this.memory = memory;
    this.cache = cache;
    this.handOff = handOff;
    this.offset = handOff.inbound().map(HandOff.Range::base).orElse(0L);
    this.lineMask = cache.lineBytes() - 1;
    this.lastBelow4Gib = BASE_4_GIB - 1 - offset;
    this.counters = counters;
    this.observer = observer;
    this.bouncePool = new BouncePool(bootServices, lastBelow4Gib);
  }

  /** The driver's entry point: installs the protocol. */
  public EfiStatus start() {
    return bootServices.installProtocolInterface(new Ref<>(), IoMmu.PROTOCOL, this);
  }

  // ---- Map and Unmap

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
    NonCoherentMapping made = mappings.acquire();
    made.operation = operation;
    made.hostAddress = hostAddress;
    made.numberOfBytes = numberOfBytes.value;
    made.bounce = BouncePool.NONE;

    EfiStatus status = prepare(made);
    if (status.isError()) {
      mappings.release(made);
      numberOfBytes.value = 0;
      counters.mapFailed();
      return status;
    }
    mappings.open(made);
    counters.mapped(operation);
    deviceAddress.value = (made.bounce == BouncePool.NONE ? hostAddress : made.bounce) + offset;
    mapping.value = made;
    return EfiStatus.SUCCESS;
  }

  /** Finds where the device's view of the data is, and makes it true. */
  private EfiStatus prepare(NonCoherentMapping mapping) {
    long host = mapping.hostAddress;
    long bytes = mapping.numberOfBytes;
    if (mapping.operation == null || !handOff.isRam(host, bytes)) {
      return EfiStatus.INVALID_PARAMETER;
    }
    boolean reachable = mapping.operation.isDualAddress() || host + bytes - 1 <= lastBelow4Gib;
    if (mapping.isRead()) {
      if (!reachable) {
        return bounce(mapping);
      }
      cache.writeBack(host, bytes);
      return EfiStatus.SUCCESS;
    }
    if (mapping.isWrite()) {
      if (!reachable || sharesLine(host) || sharesLine(host + bytes)) {
        return bounce(mapping);
      }
      // Not forgotten alone: what the device leaves as it is stays the client's. And gone from the
      // cache, so that what is written meanwhile cannot go over the device's bytes.
      cache.writeBackInvalidate(host, bytes);
      return EfiStatus.SUCCESS;
    }
    DmaBuffer buffer = reachable ? uncachedBuffers.containing(host, bytes) : null;
    if (buffer == null) {
      return EfiStatus.UNSUPPORTED;
    }
    buffer.mapped++;
    mapping.uncachedBuffer = buffer;
    return EfiStatus.SUCCESS;
  }

  /** Whether an end of a buffer at {@code address} is inside a line that can be in the cache. */
  private boolean sharesLine(long address) {
    return (address & lineMask) != 0 && !cache.isUncached(address);
  }

  private EfiStatus bounce(NonCoherentMapping mapping) {
    long bytes = mapping.numberOfBytes;
    long bounce = bouncePool.take(PageEncMask.sizeToPages(bytes));
    if (bounce == BouncePool.NONE) {
      return EfiStatus.OUT_OF_RESOURCES;
    }
    mapping.bounce = bounce;
    memory.copy(mapping.hostAddress, bounce, bytes);
    if (mapping.isRead()) {
      counters.bouncedToDevice(bytes);
      cache.writeBack(bounce, bytes);
    } else {
      cache.writeBackInvalidate(bounce, bytes);
    }
    return EfiStatus.SUCCESS;
  }

  @Override
  public EfiStatus unmap(DmaMapping mapping) {
    NonCoherentMapping found = mappings.find(mapping);
    if (found == null) {
      counters.unmapInvalid();
      return EfiStatus.INVALID_PARAMETER;
    }
    unmapWorker(found);
    return EfiStatus.SUCCESS;
  }

  private void unmapWorker(NonCoherentMapping mapping) {
    if (mapping.isWrite()) {
      takeIn(mapping);
    }
    if (mapping.uncachedBuffer != null) {
      mapping.uncachedBuffer.mapped--;
    }
    mappings.close(mapping);
    counters.unmapped();
    if (!memoryMapLocked) {
      if (mapping.bounce != BouncePool.NONE) {
        bouncePool.giveBack(mapping.bounce, PageEncMask.sizeToPages(mapping.numberOfBytes));
      }
      mappings.release(mapping);
    }
  }

  /** Lets the CPU see what the device has written to a Write mapping. */
  private void takeIn(NonCoherentMapping mapping) {
    long bytes = mapping.numberOfBytes;
    if (mapping.bounce == BouncePool.NONE) {
      cache.invalidate(mapping.hostAddress, bytes);
    } else {
      cache.invalidate(mapping.bounce, bytes);
      memory.copy(mapping.bounce, mapping.hostAddress, bytes);
      counters.bouncedFromDevice(bytes);
    }
  }

  @Override
  public EfiStatus flush() {
    for (NonCoherentMapping open = mappings.newest(); open != null; open = open.next) {
      if (open.isWrite()) {
        takeIn(open);
      }
    }
    return EfiStatus.SUCCESS;
  }

  /**
   * {@inheritDoc}
   *
   * <p>Nothing holds a device to its access here, so this only checks that {@code access} is what
   * the mapping's operation stands for, or 0.
   */
  @Override
  public EfiStatus setAttribute(Handle controller, DmaMapping mapping, long access) {
    NonCoherentMapping found = mappings.find(mapping);
    return found != null && (access == 0 || access == found.impliedAccess())
        ? EfiStatus.SUCCESS
        : EfiStatus.INVALID_PARAMETER;
  }

  // ---- AllocateBuffer and FreeBuffer

  /**
   * {@inheritDoc}
   *
   * <p>{@code type} is ignored, and so is a wish for cached memory. The buffer is within 32-bit
   * devices' reach unless {@code attributes} has DUAL_ADDRESS_CYCLE.
   */
  @Override
  public EfiStatus allocateBuffer(
      AllocateType type, MemoryType memoryType, long pages, LongRef hostAddress, long attributes) {
    EfiStatus checked = BufferRequest.check(memoryType, hostAddress, attributes);
    if (checked.isError()) {
      return checked;
    }
    boolean anywhere = (attributes & ATTRIBUTE_DUAL_ADDRESS_CYCLE) != 0;
    if (pages == 0 || !anywhere && lastBelow4Gib < 0) {
      return EfiStatus.OUT_OF_RESOURCES;
    }
    pagesRef.value = lastBelow4Gib;
    EfiStatus status =
        bootServices.allocatePages(
            anywhere ? AllocateType.ANY_PAGES : AllocateType.MAX_ADDRESS,
            memoryType,
            pages,
            pagesRef);
    if (status.isError()) {
      return status;
    }
    long address = pagesRef.value;
    // First out of the cache: what stayed there would be out of sight, and come back stale.
    cache.writeBackInvalidate(address, pages << PageEncMask.PAGE_SHIFT);
    cache.setUncached(address, pages);
    uncachedBuffers.add(address, pages);
    hostAddress.value = address;
    return EfiStatus.SUCCESS;
  }

  @Override
  public EfiStatus freeBuffer(long pages, long hostAddress) {
    if (!uncachedBuffers.remove(hostAddress, pages)) {
      return EfiStatus.INVALID_PARAMETER;
    }
    cache.setCached(hostAddress, pages);
    return bootServices.freePages(hostAddress, pages);
  }

  // ---- ExitBootServices

  @Override
  public void lockMemoryMap() {
    memoryMapLocked = true;
  }

  @Override
  public void unmapAll() {
    lockMemoryMap();
    mappings.takeDown(this::unmapWorker, observer);
  }

  /** {@inheritDoc} There are none here: a bounce buffer is not open to anybody. */
  @Override
  public void releaseSlots() {}

  @Override
  public int openMappings() {
    return mappings.openCount();
  }
}
