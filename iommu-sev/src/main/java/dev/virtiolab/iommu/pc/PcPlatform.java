package dev.virtiolab.iommu.pc;

import dev.virtiolab.iommu.PageAttributes;
import dev.virtiolab.iommu.Platform;
import dev.virtiolab.iommu.PlatformObserver;
import dev.virtiolab.iommu.ram.FlatCpuMemory;
import dev.virtiolab.iommu.ram.FlatDram;
import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.pci.memory.RawDram;
import java.util.Optional;

/** A PC without an IOMMU: one memory, seen alike by all. */
public final class PcPlatform implements Platform {
  private final PhysicalMemory memory;
  private final CpuMemory cpuMemory;
  private final RawDram dram;

  /** The platform over {@code memory}, which stays its caller's to close. */
  public PcPlatform(PhysicalMemory memory) {
    this.memory = memory;
    Ram ram = new Ram(memory);
    cpuMemory = new FlatCpuMemory(ram);
    dram = new FlatDram(ram);
  }

  @Override
  public String name() {
    return "pc";
  }

  @Override
  public PhysicalMemory memory() {
    return memory;
  }

  @Override
  public CpuMemory cpuMemory() {
    return cpuMemory;
  }

  /** The same for every requester: nothing tells them apart, and nothing is translated. */
  @Override
  public BusMemory busMemory(int requesterId) {
    return memory.busView();
  }

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
    return false;
  }

  /** There is nothing to tell: every access goes through. */
  @Override
  public void observe(PlatformObserver observer) {}

  /** Holds nothing. */
  @Override
  public void close() {}
}
