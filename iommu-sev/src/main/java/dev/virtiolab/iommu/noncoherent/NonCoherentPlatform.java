package dev.virtiolab.iommu.noncoherent;

import dev.virtiolab.iommu.PageAttributes;
import dev.virtiolab.iommu.Platform;
import dev.virtiolab.iommu.PlatformObserver;
import dev.virtiolab.iommu.ram.FlatDram;
import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.pci.cpu.CpuCache;
import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.MappingGeneration;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.pci.memory.RamRegion;
import dev.virtiolab.pci.memory.RawDram;
import java.util.Optional;

/**
 * A board as many embedded ones are: PCI addresses are not the CPU's, and nothing keeps the CPU's
 * cache and bus masters coherent. It starts with an empty cache and every page cached.
 */
public final class NonCoherentPlatform implements Platform {
  /**
   * Bus address of CPU address 0: low RAM appears from 2 GiB on, below the board's registers, and
   * what is above 4 GiB for the CPU stays so.
   */
  public static final long DMA_OFFSET = 0x8000_0000L;

  private final PhysicalMemory memory;
  private final PhysicalMemory copies;
  private final DataCache cache;
  private final CpuMemory cpuMemory;
  private final RawDram dram;
  private volatile PlatformObserver observer = PlatformObserver.NONE;

  /**
   * The platform over {@code memory}, which stays its caller's to close.
   *
   * @throws dev.virtiolab.posix.PosixException if there is no room for a copy of it
   */
  public NonCoherentPlatform(PhysicalMemory memory) {
    this.memory = memory;
    copies = memory.allocateAlike();
    cache = new DataCache(memory, copies);
    cpuMemory = new CachedCpuMemory(cache);
    dram = new FlatDram(new Ram(memory));
  }

  @Override
  public String name() {
    return "noncoherent";
  }

  @Override
  public PhysicalMemory memory() {
    return memory;
  }

  /** Through the cache; of one thread, the guest's. */
  @Override
  public CpuMemory cpuMemory() {
    return cpuMemory;
  }

  /** DRAM, shifted by {@link #DMA_OFFSET}: the same for every requester. */
  @Override
  public BusMemory busMemory(int requesterId) {
    return new Inbound(requesterId);
  }

  /** DRAM by the CPU's addresses: what goes around the translation does not find the cache. */
  @Override
  public BusMemory physicalBusMemory() {
    return memory.busView();
  }

  @Override
  public long dmaOffset() {
    return DMA_OFFSET;
  }

  @Override
  public RawDram dram() {
    return dram;
  }

  @Override
  public Optional<PageAttributes> pageAttributes() {
    return Optional.empty();
  }

  /** The cache, for the guest's thread. */
  @Override
  public Optional<CpuCache> cpuCache() {
    return Optional.of(cache);
  }

  @Override
  public boolean requiresAccessPlatform() {
    return true;
  }

  /** Tells of cache maintenance, and of bus masters that find no memory. */
  @Override
  public void observe(PlatformObserver listener) {
    observer = listener;
    cache.observe(listener);
  }

  /** What the cache did so far. */
  public NonCoherentCounters counters() {
    return cache.counters();
  }

  /**
   * Where the line that holds {@code address} stands. On the guest's thread, or while it rests.
   *
   * @throws IndexOutOfBoundsException where there is no RAM
   */
  public LineState lineState(long address) {
    CachedBank bank = cache.bank(address);
    return bank.state(bank.offset(address));
  }

  /**
   * How many of the range's lines the cache has with other bytes than DRAM: where CPU and bus
   * masters do not see the same. On the guest's thread, or while it rests.
   *
   * @throws IndexOutOfBoundsException if the range is not in RAM
   */
  public long linesThatDiffer(long address, long length) {
    CachedBank bank = cache.bank(address);
    bank.check(address, length);
    return bank.linesThatDiffer(bank.offset(address), length);
  }

  /** Gives up the cache; whatever was dirty in it is gone. */
  @Override
  public void close() {
    copies.close();
  }

  /** The host bridge's inbound window. A resolved window is a whole region of RAM. */
  private final class Inbound implements BusMemory {
    private final int requesterId;

    Inbound(int requesterId) {
      this.requesterId = requesterId;
    }

    @Override
    public MappingGeneration generation() {
      return memory.generation();
    }

    @Override
    public boolean resolve(long address, DmaAccess access, DmaWindow window) {
      long at = memory.generation().acquire();
      // What lies below the offset becomes negative here, or very large: no region has it.
      RamRegion region = memory.regionAt(address - DMA_OFFSET);
      if (region == null) {
        observer.faulted(requesterId, address, access, DmaFault.NO_MEMORY);
        return window.faulted(DmaFault.NO_MEMORY);
      }
      return window.resolved(region.segment(), region.base() + DMA_OFFSET, at);
    }
  }
}
