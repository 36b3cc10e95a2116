package dev.virtiolab.virtio.transport;

import dev.virtiolab.pci.function.BusMaster;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.MappingGeneration;

/**
 * Memory as the device sees it: one of two views, chosen by VIRTIO_F_ACCESS_PLATFORM (virtio v1.4,
 * chapter 6 "Reserved Feature Bits").
 *
 * <p>The choice changes only while every queue is stopped and holds no window, with the device's
 * lock held.
 */
final class DeviceMemory implements BusMemory {
  private final BusMaster platform;
  private final BusMaster physical;
  private BusMaster chosen;

  DeviceMemory(BusMaster platform, BusMaster physical) {
    if (platform.generation() != physical.generation()) {
      throw new IllegalArgumentException("two views of different memories");
    }
    this.platform = platform;
    this.physical = physical;
    this.chosen = physical;
  }

  /** By the platform's translation, or by physical address. */
  void choose(boolean accessPlatform) {
    chosen = accessPlatform ? platform : physical;
  }

  /** The view in force; with the device's lock held. */
  BusMaster chosen() {
    return chosen;
  }

  @Override
  public MappingGeneration generation() {
    return platform.generation();
  }

  @Override
  public boolean resolve(long address, DmaAccess access, DmaWindow window) {
    return chosen.resolve(address, access, window);
  }
}
