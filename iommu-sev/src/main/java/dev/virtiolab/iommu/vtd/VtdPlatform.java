package dev.virtiolab.iommu.vtd;

import dev.virtiolab.iommu.PageAttributes;
import dev.virtiolab.iommu.Platform;
import dev.virtiolab.iommu.PlatformObserver;
import dev.virtiolab.iommu.ram.FlatCpuMemory;
import dev.virtiolab.iommu.ram.FlatDram;
import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.pci.function.BarHandler;
import dev.virtiolab.pci.function.MessageTarget;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.pci.memory.RawDram;
import java.util.List;
import java.util.Optional;

/**
 * A PC whose devices are behind a DMA remapping unit. The unit is switched off at first; the guest
 * finds its {@link #registers}, builds tables in memory and switches it on.
 */
public final class VtdPlatform implements Platform {
  private final PhysicalMemory memory;
  private final CpuMemory cpuMemory;
  private final RawDram dram;
  private final RemappingUnit unit;

  /** The platform over {@code memory}, with nobody to take the unit's interrupts. */
  public VtdPlatform(PhysicalMemory memory) {
    this(memory, (address, data) -> {});
  }

  /**
   * The platform over {@code memory}, which stays its caller's to close.
   *
   * @param faultEvents where the unit sends its message when a fault is recorded
   */
  public VtdPlatform(PhysicalMemory memory, MessageTarget faultEvents) {
    this.memory = memory;
    Ram ram = new Ram(memory);
    cpuMemory = new FlatCpuMemory(ram);
    dram = new FlatDram(ram);
    unit = new RemappingUnit(ram, memory.generation(), faultEvents);
  }

  @Override
  public String name() {
    return "vtd";
  }

  @Override
  public PhysicalMemory memory() {
    return memory;
  }

  @Override
  public CpuMemory cpuMemory() {
    return cpuMemory;
  }

  @Override
  public BusMemory busMemory(int requesterId) {
    return unit.requester(requesterId);
  }

  /**
   * All RAM, whatever the tables say. No card that is plugged into a slot has such a path; a device
   * that is part of the hypervisor has, and QEMU's takes it while VIRTIO_F_ACCESS_PLATFORM is not
   * negotiated. Hence {@link #requiresAccessPlatform()}.
   */
  @Override
  public BusMemory physicalBusMemory() {
    return memory.busView();
  }

  @Override
  public RawDram dram() {
    return dram;
  }

  @Override
  public Optional<PageAttributes> pageAttributes() {
    return Optional.empty();
  }

  @Override
  public boolean requiresAccessPlatform() {
    return true;
  }

  /** Tells of faults, and of contexts and translations that were invalidated. */
  @Override
  public void observe(PlatformObserver observer) {
    unit.observe(observer);
  }

  /**
   * What a requester can reach now, without anybody's help: by the entries that are in its tables
   * at this moment, and by the translations that the unit has cached for it and was not told to
   * forget. Both count where they differ: the cached one is used, but accesses to other pages drive
   * it out. The registers, caches and tables themselves are looked at, and nothing of them changes.
   *
   * <p>Any thread, one walk of a requester at a time. A window that a device has kept from before
   * is not seen; it dies with the next invalidation.
   *
   * @param requesterId as in PCI: {@code bus << 8 | device << 3 | function}
   * @param visitor told of the pages, if the answer is not {@link Reach#EVERYTHING}: those of the
   *     tables in the order of the bus, then what is cached, which may be the same once more. It
   *     must not come back to the platform
   */
  public Reach reach(int requesterId, ReachVisitor visitor) {
    return unit.requester(requesterId).reach(visitor);
  }

  /** What the board puts at the unit's address: {@link VtdLayout#REGISTER_BYTES} of registers. */
  public BarHandler registers() {
    return unit;
  }

  /** The first accesses that were refused, the oldest first; as many as there is room for. */
  public List<FaultRecord> faults() {
    return unit.faults();
  }

  public VtdCounters counters() {
    return unit.counters();
  }

  /** Holds nothing. */
  @Override
  public void close() {}
}
