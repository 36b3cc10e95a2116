package dev.virtiolab.firmware.pci;

import dev.virtiolab.firmware.handoff.HandOff;

/**
 * What the platform gives to the root bridge, inclusive of both ends; a window whose limit is below
 * its base is absent.
 *
 * @param ecamBase where the enhanced configuration access mechanism is decoded, or {@link
 *     #NO_ECAM}: then ports CF8h and CFCh are used
 * @param lastBus highest bus number there may be, 0..255; the first is 0
 * @param memoryBase memory-mapped registers below 4 GiB
 * @param memoryAbove4GBase 64-bit prefetchable BARs go here, if it is there
 * @param ioBase I/O ports
 * @param dmaAbove4G whether the host bridge passes bus masters' accesses above 4 GiB
 */
public record PciResources(
    long ecamBase,
    int lastBus,
    long memoryBase,
    long memoryLimit,
    long memoryAbove4GBase,
    long memoryAbove4GLimit,
    int ioBase,
    int ioLimit,
    boolean dmaAbove4G) {
  public static final long NO_ECAM = -1;

  /** ECAM takes 1 MiB a bus: PCI Express Base Specification, "Enhanced Configuration Access". */
  private static final int BUS_SHIFT = 20;

  /**
   * @throws IllegalArgumentException if a bus number or window is out of range
   */
  public PciResources {
    if (lastBus < 0 || lastBus > 255) {
      throw new IllegalArgumentException("bus number out of range: lastBus=" + lastBus);
    }
    if (memoryBase < 0 || memoryLimit >= 1L << 32) {
      throw new IllegalArgumentException(
          "window is not below 4 GiB: base=0x%x limit=0x%x".formatted(memoryBase, memoryLimit));
    }
    boolean above = memoryAbove4GLimit >= memoryAbove4GBase;
    if (above && memoryAbove4GBase < 1L << 32) {
      throw new IllegalArgumentException(
          "window is not above 4 GiB: base=0x%x".formatted(memoryAbove4GBase));
    }
    if (ioLimit >= ioBase && (ioBase < 0 || ioLimit > 0xffff)) {
      throw new IllegalArgumentException(
          "no such ports: base=%d limit=%d".formatted(ioBase, ioLimit));
    }
  }

  /** What a hand-off gives: ECAM, the two memory windows and the ports, DMA to anywhere. */
  public static PciResources of(HandOff handOff) {
    return new PciResources(
        handOff.ecam().base(),
        (int) (handOff.ecam().length() >>> BUS_SHIFT) - 1,
        handOff.mmio32().base(),
        handOff.mmio32().limit() - 1,
        handOff.mmio64().base(),
        handOff.mmio64().limit() - 1,
        handOff.ports().map(ports -> (int) ports.base()).orElse(0),
        handOff.ports().map(ports -> (int) ports.limit() - 1).orElse(-1),
        true);
  }

  boolean hasMemoryAbove4G() {
    return memoryAbove4GLimit >= memoryAbove4GBase;
  }

  boolean containsMemory(long address, long length) {
    return contains(memoryBase, memoryLimit, address, length)
        || contains(memoryAbove4GBase, memoryAbove4GLimit, address, length);
  }

  boolean containsIo(long port, long length) {
    return contains(ioBase, ioLimit, port, length);
  }

  private static boolean contains(long base, long limit, long address, long length) {
    return address >= base && address <= limit && length - 1 <= limit - address;
  }
}
