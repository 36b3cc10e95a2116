package dev.virtiolab.firmware.iommu;

import dev.virtiolab.firmware.handoff.HandOff;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
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
import dev.virtiolab.pci.cpu.CpuBus;
import dev.virtiolab.pci.cpu.CpuMemory;
import java.util.ArrayList;
import java.util.List;

/**
 * The IOMMU protocol of a board with a DMA remapping unit: edk2-platforms'
 * Silicon/Intel/IntelSiliconPkg/Feature/VTd/IntelVTdDxe.
 *
 * <p>From {@link #start} on no device reaches anything. Map finds a place for the data;
 * SetAttribute lets one device reach it, page by page, and takes that back:
 *
 * <pre>
 *                    Map                SetAttribute          SetAttribute(0)      Unmap
 *   whole pages      -                  table entries         entries cleared,     -
 *   Read             bounce &lt;- client   for the device's      the unit told to     bounce zeroed
 *   Write            -                  source id             forget them          client &lt;- bounce
 *   Common           -                                                             -
 * </pre>
 *
 * <p>Device addresses are host addresses. Bounced is what is not whole pages, since the rest of a
 * page would be within the device's reach, and what a 32-bit operation cannot reach. A bounce
 * buffer that nobody holds is all zeros.
 *
 * <p>Where this driver differs from edk2's:
 *
 * <ul>
 *   <li>a common buffer that is not whole pages is taken only if it is part of what AllocateBuffer
 *       gave, else UNSUPPORTED: edk2 takes any, and SetAttribute refuses it where it does not begin
 *       with a page, or opens all of its last page;
 *   <li>pages that two mappings share stay reachable until both are gone;
 *   <li>invalidation is of pages where the unit can do that, not of everything; an entry that was
 *       not there before needs none (CAP.CM is 0);
 *   <li>Unmap takes access back that SetAttribute was not asked to;
 *   <li>a mapping that is unknown or gone, no bytes, an access that is not the operation's, and
 *       FreeBuffer of what AllocateBuffer did not give or what is mapped, are INVALID_PARAMETER; a
 *       mapping is for one device at a time, for a second one SetAttribute is UNSUPPORTED;
 *   <li>tables are reserved memory, see {@link VTdTables}.
 * </ul>
 */
public final class VTdDxe implements IoMmu, MappingTeardown {
  private static final long BASE_4_GIB = 1L << 32;
  private static final long BELOW_4_GIB = BASE_4_GIB - 1;
  private static final long PAGE_MASK = PageEncMask.PAGE_BYTES - 1;

  private final BootServices bootServices;
  private final CpuMemory memory;
  private final HandOff handOff;
  private final VTdUnit unit;
  private final VTdTables tables;
  private final int levels;
  private final DmaObserver observer;
  private final DmaCounters counters;
  private final BouncePool bouncePool;
  private final MappingPool<VTdMapping> mappings =
      new MappingPool<>(VTdMapping.class, VTdMapping::new);

  /** A handful: a search from end to end is short. */
  private final List<VTdDevice> devices = new ArrayList<>();

  private final DmaBuffers buffers = new DmaBuffers();

  private final LongRef pagesRef = new LongRef();
  private final VTdTables.Change change = new VTdTables.Change();
  private boolean memoryMapLocked;

  /** Why the last {@link #deviceOf} found none. */
  private EfiStatus deviceError = EfiStatus.SUCCESS;

  /**
   * @param handOff says where RAM is and where the unit is; there is one
   * @param observer told what is taken down without a driver's Unmap
   */
  public VTdDxe(
      BootServices bootServices,
      CpuMemory memory,
      CpuBus bus,
      HandOff handOff,
      DmaCounters counters,
      DmaObserver observer) {
    this.bootServices = bootServices;
    this.memory = memory;
    this.handOff = handOff;
    this.unit = new VTdUnit(bus, handOff.remapping().orElseThrow().base());
    this.levels = VTdTables.levelsFor(handOff.ram().getLast().limit());
    this.tables = new VTdTables(bootServices, memory, levels);
    this.counters = counters;
    this.observer = observer;
    this.bouncePool = BouncePool.ofZeros(bootServices, BELOW_4_GIB, memory);
  }

  /**
   * The driver's entry point: tables in which nothing is mapped, translation on, and the protocol
   * installed.
   *
   * @return NOT_FOUND where no unit answers, UNSUPPORTED for one that this driver cannot drive,
   *     DEVICE_ERROR for one that does not do as it is told
   */
  public EfiStatus start() {
    EfiStatus status = unit.probe();
    if (!status.isError() && !unit.supportsLevels(levels)) {
      status = EfiStatus.UNSUPPORTED;
    }
    if (!status.isError()) {
      status = tables.open();
    }
    if (!status.isError()) {
      status = unit.setRootTable(tables.rootTable());
    }
    if (!status.isError()) {
      unit.takeFaults();
      status = unit.setTranslation(true);
    }
    return status.isError()
        ? status
        : bootServices.installProtocolInterface(new Ref<>(), IoMmu.PROTOCOL, this);
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
    VTdMapping made = mappings.acquire();
    made.operation = operation;
    made.hostAddress = hostAddress;
    made.numberOfBytes = numberOfBytes.value;
    made.bounce = BouncePool.NONE;
    made.wasGranted = false;
    made.revoked = EfiStatus.SUCCESS;

    EfiStatus status = place(made);
    if (status.isError()) {
      mappings.release(made);
      numberOfBytes.value = 0;
      counters.mapFailed();
      return status;
    }
    mappings.open(made);
    counters.mapped(operation);
    deviceAddress.value = made.bounce == BouncePool.NONE ? hostAddress : made.bounce;
    mapping.value = made;
    return EfiStatus.SUCCESS;
  }

  /** Decides where the device will find the data, and puts it there. */
  private EfiStatus place(VTdMapping mapping) {
    long host = mapping.hostAddress;
    long bytes = mapping.numberOfBytes;
    if (mapping.operation == null || !handOff.isRam(host, bytes)) {
      return EfiStatus.INVALID_PARAMETER;
    }
    boolean wholePages = ((host | bytes) & PAGE_MASK) == 0;
    boolean reachable = mapping.operation.isDualAddress() || host + bytes <= BASE_4_GIB;
    if (mapping.isRead() || mapping.isWrite()) {
      return wholePages && reachable ? inPlace(mapping) : bounce(mapping);
    }
    DmaBuffer buffer = buffers.containing(host, bytes);
    if (!reachable || buffer == null && !wholePages) {
      return EfiStatus.UNSUPPORTED;
    }
    if (buffer != null) {
      buffer.mapped++;
      mapping.buffer = buffer;
    }
    return inPlace(mapping);
  }

  private static EfiStatus inPlace(VTdMapping mapping) {
    long last = mapping.hostAddress + mapping.numberOfBytes - 1;
    mapping.firstPage = mapping.hostAddress >>> PageEncMask.PAGE_SHIFT;
    mapping.pages = (last >>> PageEncMask.PAGE_SHIFT) - mapping.firstPage + 1;
    return EfiStatus.SUCCESS;
  }

  private EfiStatus bounce(VTdMapping mapping) {
    long bytes = mapping.numberOfBytes;
    mapping.pages = PageEncMask.sizeToPages(bytes);
    mapping.bounce = bouncePool.take(mapping.pages);
    if (mapping.bounce == BouncePool.NONE) {
      return EfiStatus.OUT_OF_RESOURCES;
    }
    mapping.firstPage = mapping.bounce >>> PageEncMask.PAGE_SHIFT;
    if (mapping.isRead()) {
      memory.copy(mapping.hostAddress, mapping.bounce, bytes);
      counters.bouncedToDevice(bytes);
    }
    return EfiStatus.SUCCESS;
  }

  @Override
  public EfiStatus unmap(DmaMapping mapping) {
    VTdMapping found = mappings.find(mapping);
    if (found == null) {
      counters.unmapInvalid();
      return EfiStatus.INVALID_PARAMETER;
    }
    return unmapWorker(found);
  }

  private EfiStatus unmapWorker(VTdMapping mapping) {
    EfiStatus revoked = revoke(mapping);
    if (mapping.bounce != BouncePool.NONE) {
      unbounce(mapping, revoked);
    }
    // What a device may still reach is nobody's any more: its buffer cannot be freed.
    if (mapping.buffer != null && !revoked.isError()) {
      mapping.buffer.mapped--;
    }
    mappings.close(mapping);
    counters.unmapped();
    if (!memoryMapLocked) {
      mappings.release(mapping);
    }
    return revoked;
  }

  private void unbounce(VTdMapping mapping, EfiStatus revoked) {
    long bytes = mapping.numberOfBytes;
    long dirty = bytes;
    if (mapping.isWrite() && mapping.wasGranted) {
      memory.copy(mapping.bounce, mapping.hostAddress, bytes);
      counters.bouncedFromDevice(bytes);
      // The device could write to all of the pages.
      dirty = mapping.pages << PageEncMask.PAGE_SHIFT;
    }
    memory.fill(mapping.bounce, dirty, (byte) 0);
    if (!memoryMapLocked && !revoked.isError()) {
      bouncePool.giveBack(mapping.bounce, mapping.pages);
    }
  }

  // ---- SetAttribute

  /**
   * {@inheritDoc}
   *
   * @return UNSUPPORTED for a handle that is no PCI device, and for a second device; DEVICE_ERROR
   *     where the unit does not forget what it is told to
   */
  @Override
  public EfiStatus setAttribute(Handle controller, DmaMapping mapping, long access) {
    VTdMapping found = mappings.find(mapping);
    if (found == null || access != 0 && access != found.impliedAccess()) {
      return EfiStatus.INVALID_PARAMETER;
    }
    if (access == 0) {
      boolean given = found.device != null && found.device.handle == controller;
      return given ? revoke(found) : EfiStatus.SUCCESS;
    }
    if (found.device != null) {
      return found.device.handle == controller ? EfiStatus.SUCCESS : EfiStatus.UNSUPPORTED;
    }
    VTdDevice device = deviceOf(controller);
    return device == null ? deviceError : grant(found, device);
  }

  private EfiStatus grant(VTdMapping mapping, VTdDevice device) {
    long access = mapping.impliedAccess();
    change.stale = false;
    EfiStatus status = EfiStatus.SUCCESS;
    long done = 0;
    while (done < mapping.pages && !status.isError()) {
      status = tables.add(device, mapping.firstPage + done, access, change);
      done += status.isError() ? 0 : 1;
    }
    if (status.isError()) {
      mapping.revoked = removePages(device, mapping.firstPage, done, access);
      return status;
    }
    mapping.device = device;
    mapping.wasGranted = true;
    if (change.stale) {
      status = unit.forgetPages(device.domain, mapping.firstPage, mapping.pages);
    }
    return status;
  }

  /** Takes the mapping from its device, if it has one; what failed once has failed for good. */
  private EfiStatus revoke(VTdMapping mapping) {
    VTdDevice device = mapping.device;
    if (device != null) {
      mapping.device = null;
      EfiStatus status =
          removePages(device, mapping.firstPage, mapping.pages, mapping.impliedAccess());
      mapping.revoked = mapping.revoked.isError() ? mapping.revoked : status;
    }
    return mapping.revoked;
  }

  private EfiStatus removePages(VTdDevice device, long first, long pages, long access) {
    change.stale = false;
    for (long page = first; page < first + pages; page++) {
      tables.remove(device, page, access, change);
    }
    if (!change.stale) {
      return EfiStatus.SUCCESS;
    }
    counters.faultsReported(unit.takeFaults());
    return unit.forgetPages(device.domain, first, pages);
  }

  private VTdDevice deviceOf(Handle controller) {
    for (int i = 0; i < devices.size(); i++) {
      if (devices.get(i).handle == controller) {
        return devices.get(i);
      }
    }
    return addDevice(controller);
  }

  private VTdDevice addDevice(Handle controller) {
    Ref<PciIo> pciIo = new Ref<>();
    IntRef segment = new IntRef();
    IntRef bus = new IntRef();
    IntRef number = new IntRef();
    IntRef function = new IntRef();
    if (bootServices.handleProtocol(controller, PciIo.PROTOCOL, pciIo).isError()
        || pciIo.value.getLocation(segment, bus, number, function).isError()) {
      deviceError = EfiStatus.UNSUPPORTED;
      return null;
    }
    // Domain 0 is left out: on units with caching mode it means something else.
    int domain = devices.size() + 1;
    if (domain >= unit.domains()) {
      deviceError = EfiStatus.OUT_OF_RESOURCES;
      return null;
    }
    int sourceId = bus.value << 8 | number.value << 3 | function.value;
    VTdDevice device = new VTdDevice(controller, sourceId, domain);
    deviceError = tables.addContext(device);
    if (deviceError.isError()) {
      return null;
    }
    devices.add(device);
    return device;
  }

  // ---- AllocateBuffer and FreeBuffer

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
    boolean anywhere = (attributes & ATTRIBUTE_DUAL_ADDRESS_CYCLE) != 0;
    pagesRef.value = BELOW_4_GIB;
    EfiStatus status =
        bootServices.allocatePages(
            anywhere ? AllocateType.ANY_PAGES : AllocateType.MAX_ADDRESS,
            memoryType,
            pages,
            pagesRef);
    if (!status.isError()) {
      buffers.add(pagesRef.value, pages);
      hostAddress.value = pagesRef.value;
    }
    return status;
  }

  @Override
  public EfiStatus freeBuffer(long pages, long hostAddress) {
    return buffers.remove(hostAddress, pages)
        ? bootServices.freePages(hostAddress, pages)
        : EfiStatus.INVALID_PARAMETER;
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

  /**
   * {@inheritDoc} There are none here: a bounce buffer is open to nobody but while it is mapped.
   */
  @Override
  public void releaseSlots() {}

  @Override
  public void stopTranslation() {
    counters.faultsReported(unit.takeFaults());
    unit.forgetAll();
    unit.setTranslation(false);
  }

  @Override
  public int openMappings() {
    return mappings.openCount();
  }
}
