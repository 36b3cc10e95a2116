package dev.virtiolab.lab.bench;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.MachineConfig;
import java.util.List;
import java.util.OptionalLong;

/**
 * One thing to measure.
 *
 * @param slots the IOMMU driver's reserved slots; without meaning where memory is not encrypted
 * @param threads 1: driver and device take turns on one thread; 2: each has its own
 * @param frameBytes length of each frame, from destination address to the end of the data: {@link
 *     PacketRun#MIN_FRAME} to {@link PacketRun#MAX_FRAME}
 */
public record BenchCase(
    PlatformKind platform, SlotTable slots, Direction direction, int threads, int frameBytes) {

  private static final long SEED = 1;

  /** The sizes of RFC 2544 (section 9.1), less the four bytes of checksum in the last one. */
  public static final List<Integer> FRAME_SIZES = List.of(64, 128, 256, 512, 1024, 1280, 1514);

  /** The machine to measure it on; its keys are the same each time. */
  MachineConfig machine() {
    MachineConfig usual = MachineConfig.of(platform);
    return new MachineConfig(
        platform, usual.slot(), usual.mac(), usual.mtu(), slots.slots(), OptionalLong.of(SEED));
  }

  /** Whether {@code other} differs in nothing but the size of its frames. */
  public boolean isLike(BenchCase other) {
    return platform == other.platform
        && slots == other.slots
        && direction == other.direction
        && threads == other.threads;
  }

  /** Whether the IOMMU driver has reserved slots to choose from. */
  public static boolean hasSlots(PlatformKind platform) {
    return platform == PlatformKind.SEV;
  }

  /** Such as {@code pc tx, threads 1, 64 bytes}. */
  @Override
  public String toString() {
    return "%s%s %s, threads %d, %d bytes"
        .formatted(
            platform.label(),
            hasSlots(platform) ? " (" + slots.label() + ")" : "",
            direction.label(),
            threads,
            frameBytes);
  }
}
