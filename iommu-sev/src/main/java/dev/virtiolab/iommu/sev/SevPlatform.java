package dev.virtiolab.iommu.sev;

import dev.virtiolab.iommu.PageAttributes;
import dev.virtiolab.iommu.Platform;
import dev.virtiolab.iommu.PlatformObserver;
import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.pci.memory.RawDram;
import java.util.Optional;
import java.util.random.RandomGenerator;

/**
 * A guest under Secure Encrypted Virtualization. It starts with every page private and with DRAM as
 * it was found: fresh DRAM is zeros, which the guest does not read as zeros.
 *
 * <p>While the platform lives, the bytes of {@link #memory()} are its own to arrange: whoever wants
 * to see them goes through one of the views.
 */
public final class SevPlatform implements Platform {
  private final PhysicalMemory memory;
  private final SevKeys keys;
  private final PageCipher cipher;
  private final SevPages pages;
  private final CpuMemory cpuMemory;
  private final BusMemory busMemory;
  private final RawDram dram;

  /**
   * The platform over {@code memory}, which stays its caller's to close.
   *
   * @param keys the guest's; wiped with the platform
   * @param layout decides where in DRAM the guest's pages lie
   * @throws IllegalArgumentException if memory is smaller than two pages
   */
  public SevPlatform(PhysicalMemory memory, SevKeys keys, RandomGenerator layout) {
    this.memory = memory;
    this.keys = keys;
    Ram ram = new Ram(memory);
    SystemPhysical system = new SystemPhysical(ram, layout);
    cipher = new PageCipher(keys);
    pages = new SevPages(ram, system, cipher, memory.generation());
    cpuMemory = new SevCpuMemory(ram, pages);
    busMemory = new SevBusMemory(ram, pages, memory.generation());
    dram = new SevDram(ram, system, pages);
  }

  /** As the other constructor, with keys and layout drawn from {@code entropy}, in this order. */
  public SevPlatform(PhysicalMemory memory, RandomGenerator entropy) {
    this(memory, SevKeys.generate(entropy), entropy);
  }

  @Override
  public String name() {
    return "sev";
  }

  @Override
  public PhysicalMemory memory() {
    return memory;
  }

  @Override
  public CpuMemory cpuMemory() {
    return cpuMemory;
  }

  /** The same for every requester: no device has the key. */
  @Override
  public BusMemory busMemory(int requesterId) {
    return busMemory;
  }

  /** The same again: there is no translation to go around, and still no key. */
  @Override
  public BusMemory physicalBusMemory() {
    return busMemory;
  }

  @Override
  public RawDram dram() {
    return dram;
  }

  @Override
  public Optional<PageAttributes> pageAttributes() {
    return Optional.of(pages);
  }

  @Override
  public boolean requiresAccessPlatform() {
    return true;
  }

  /** Tells of C-bits that flip. */
  @Override
  public void observe(PlatformObserver observer) {
    pages.observe(observer);
  }

  /** The guest's keys, for an observer who wants to show what they hide. */
  public SevKeys keys() {
    return keys;
  }

  /** What encryption did so far. */
  public SevCounters counters() {
    return pages.counters();
  }

  @Override
  public void close() {
    keys.wipe();
    cipher.wipe();
  }
}
