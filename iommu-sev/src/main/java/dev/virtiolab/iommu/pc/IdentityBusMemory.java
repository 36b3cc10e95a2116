package dev.virtiolab.iommu.pc;

import dev.virtiolab.iommu.ram.Ram;
import dev.virtiolab.iommu.ram.RamBank;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.MappingGeneration;

/** A bus master that reaches all RAM by guest-physical address: a window is a whole bank. */
final class IdentityBusMemory implements BusMemory {
  private final Ram ram;
  private final MappingGeneration generation;

  IdentityBusMemory(Ram ram, MappingGeneration generation) {
    this.ram = ram;
    this.generation = generation;
  }

  @Override
  public MappingGeneration generation() {
    return generation;
  }

  @Override
  public boolean resolve(long address, DmaAccess access, DmaWindow window) {
    long at = generation.acquire();
    RamBank bank = ram.find(address);
    if (bank == null) {
      return window.faulted(DmaFault.NO_MEMORY);
    }
    return window.resolved(bank.segment(), bank.base(), at);
  }
}
