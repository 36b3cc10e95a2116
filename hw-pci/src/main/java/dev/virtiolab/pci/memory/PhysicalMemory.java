package dev.virtiolab.pci.memory;

import java.lang.foreign.Arena;
import java.util.List;

/** Guest-physical memory: RAM regions below and above 4 GiB. */
public final class PhysicalMemory implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final MappingGeneration generation = new MappingGeneration();
  private final List<RamRegion> regions;

  private PhysicalMemory(long lowBytes) {
    regions = List.of(new RamRegion(0, arena.allocate(lowBytes, 4096)));
  }

  /** RAM of {@code bytes} at address 0. */
  public static PhysicalMemory allocate(long bytes) {
    return new PhysicalMemory(bytes);
  }

  /** The machine's one generation: whoever changes what a bus master can reach advances it. */
  public MappingGeneration generation() {
    return generation;
  }

  /** Every region, ascending. */
  public List<RamRegion> regions() {
    return regions;
  }

  @Override
  public void close() {
    arena.close();
  }
}
