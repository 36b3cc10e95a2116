package dev.virtiolab.iommu;

import dev.virtiolab.pci.cpu.CpuCache;
import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.pci.memory.RawDram;
import java.util.Optional;

/** One memory and the three ways to see it. */
public interface Platform extends AutoCloseable {

  /** As on the command line: one of {@link PlatformKind#labels()}. */
  String name();

  /** The bytes themselves, by guest-physical address. */
  PhysicalMemory memory();

  /** What the guest's CPU sees. */
  CpuMemory cpuMemory();

  /**
   * What a bus master sees through the platform's translation.
   *
   * @param requesterId bus, device and function as in PCI: {@code bus << 8 | device << 3 |
   *     function}
   */
  BusMemory busMemory(int requesterId);

  /**
   * What a bus master sees that goes around the translation and uses guest-physical addresses, as a
   * virtio device does without VIRTIO_F_ACCESS_PLATFORM. On encrypted memory that is ciphertext
   * still; {@link PhysicalMemory#busView} knows nothing of it and must not be used there.
   */
  BusMemory physicalBusMemory();

  /** What is in the DRAM. */
  RawDram dram();

  /** The guest's page attributes; empty where memory is not encrypted. */
  Optional<PageAttributes> pageAttributes();

  /**
   * The CPU's cache, where keeping it coherent with bus masters is the guest's task; empty where
   * the hardware does that.
   */
  default Optional<CpuCache> cpuCache() {
    return Optional.empty();
  }

  /** What is added to a CPU address for the bus address of the same byte of RAM. */
  default long dmaOffset() {
    return 0;
  }

  /**
   * Whether a device must be driven through the platform's translation: a virtio device then
   * insists on VIRTIO_F_ACCESS_PLATFORM.
   */
  boolean requiresAccessPlatform();

  /**
   * Tells {@code observer} what happens from now on, instead of whom it told before. Any thread.
   */
  void observe(PlatformObserver observer);

  /** Forgets keys and bookkeeping; the memory stays its owner's to close. */
  @Override
  void close();
}
