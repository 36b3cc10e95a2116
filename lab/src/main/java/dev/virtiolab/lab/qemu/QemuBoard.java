package dev.virtiolab.lab.qemu;

import dev.virtiolab.firmware.Board;
import dev.virtiolab.firmware.handoff.HandOff;
import dev.virtiolab.firmware.handoff.HandOff.Range;
import dev.virtiolab.firmware.handoff.HandOffLayout;
import dev.virtiolab.iommu.Platform;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.iommu.Platforms;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.pci.cpu.CpuBus;
import dev.virtiolab.pci.cpu.CpuClock;
import dev.virtiolab.pci.host.HostBridge;
import dev.virtiolab.pci.host.HostLayout;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.pci.memory.RamRegion;
import dev.virtiolab.pci.qtest.Q35;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * The memory of QEMU's machine, which is the lab's, and in it what the firmware starts from: the
 * addresses are those of {@link Mainboard}, but for the hole below 1 MiB that a PC has.
 */
final class QemuBoard implements AutoCloseable {
  private final PhysicalMemory memory;
  private final Platform platform;

  /** Fresh memory with the hand-off in it. */
  QemuBoard(MachineConfig config) {
    memory = PhysicalMemory.allocate(config.lowRamBytes(), config.highRamBytes());
    try {
      // Nothing of a pc is drawn by chance.
      platform = Platforms.create(PlatformKind.PC, memory, new SplittableRandom(0));
      HandOff handOff = handOff();
      MemorySegment bytes = MemorySegment.ofArray(new byte[(int) handOff.pages().length()]);
      handOff.write(bytes);
      platform.cpuMemory().write(HandOffLayout.ADDRESS, bytes, 0, bytes.byteSize());
    } catch (RuntimeException e) {
      memory.close();
      throw e;
    }
  }

  private HandOff handOff() {
    long window64 = HostBridge.window64Base(memory.limit());
    HandOff memoryOnly =
        new HandOff(
            ram(),
            Mainboard.FIRMWARE,
            new Range(HostLayout.ECAM_BASE, HostLayout.ECAM_BYTES),
            new Range(
                HostLayout.WINDOW_32_BASE, HostLayout.WINDOW_32_LIMIT - HostLayout.WINDOW_32_BASE),
            new Range(window64, HostLayout.WINDOW_64_BYTES));
    return memoryOnly.withPorts(Mainboard.PORTS);
  }

  private List<Range> ram() {
    List<Range> ranges = new ArrayList<>();
    for (RamRegion region : memory.regions()) {
      if (region.base() == 0) {
        ranges.add(new Range(0, Q35.LEGACY_BASE));
        ranges.add(new Range(Q35.LEGACY_LIMIT, region.limit() - Q35.LEGACY_LIMIT));
      } else {
        ranges.add(new Range(region.base(), region.segment().byteSize()));
      }
    }
    return ranges;
  }

  PhysicalMemory memory() {
    return memory;
  }

  /** What the guest's CPU finds. */
  Board toBoard(CpuBus bus, CpuClock clock) {
    return new Board(platform.cpuMemory(), bus, clock, Optional.empty());
  }

  /** Frees the memory; nobody may be running on the board. */
  @Override
  public void close() {
    platform.close();
    memory.close();
  }
}
