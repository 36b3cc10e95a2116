package dev.virtiolab.firmware;

import dev.virtiolab.iommu.PageAttributes;
import dev.virtiolab.pci.cpu.CpuBus;
import dev.virtiolab.pci.cpu.CpuCache;
import dev.virtiolab.pci.cpu.CpuClock;
import dev.virtiolab.pci.cpu.CpuMemory;
import java.util.Optional;

/**
 * What a guest's CPU finds when it comes out of reset.
 *
 * @param memory RAM; the hand-off lies where {@link
 *     dev.virtiolab.firmware.handoff.HandOffLayout#ADDRESS} says
 * @param pageAttributes the C-bits, where memory is encrypted
 * @param cache the data cache, where bus masters do not see it
 */
public record Board(
    CpuMemory memory,
    CpuBus bus,
    CpuClock clock,
    Optional<PageAttributes> pageAttributes,
    Optional<CpuCache> cache) {

  /** A board where the hardware keeps cache and bus masters coherent. */
  public Board(
      CpuMemory memory, CpuBus bus, CpuClock clock, Optional<PageAttributes> pageAttributes) {
    this(memory, bus, clock, pageAttributes, Optional.empty());
  }
}
