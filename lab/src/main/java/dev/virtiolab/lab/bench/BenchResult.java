package dev.virtiolab.lab.bench;

/**
 * What one case came to: a row of the report.
 *
 * @param platform as on the command line
 * @param bounceSlots the table of the IOMMU driver's reserved slots; null where there are none to
 *     choose from
 * @param direction {@code tx}, {@code rx} or {@code both}
 * @param threads 1: driver and device take turns on one thread; 2: each has its own
 * @param frameBytes length of each frame, without preamble and checksum
 * @param framesPerSecond over all runs, rounded; for {@code both} the sum of the two directions
 * @param gigabitsPerSecond of the frames' own bytes, at the median
 * @param bytesAllocatedPerFrame on the Java heap, by driver and device together, in all timed runs;
 *     to a hundredth of a byte
 * @param frames that crossed in all timed runs, each of them checked
 * @param bytesAllocated on the Java heap in the same time
 */
public record BenchResult(
    String platform,
    String bounceSlots,
    String direction,
    int threads,
    int frameBytes,
    Rate framesPerSecond,
    double gigabitsPerSecond,
    double bytesAllocatedPerFrame,
    long frames,
    long bytesAllocated) {

  /** Frames per second. */
  public record Rate(long median, long min, long max) {}

  private static final double BITS_PER_GIGABIT = 1e9;

  /** The row of {@code one}. */
  public static BenchResult of(BenchCase one, Spread rate, long frames, long bytesAllocated) {
    return new BenchResult(
        one.platform().label(),
        BenchCase.hasSlots(one.platform()) ? one.slots().label() : null,
        one.direction().label(),
        one.threads(),
        one.frameBytes(),
        new Rate(Math.round(rate.median()), Math.round(rate.min()), Math.round(rate.max())),
        Math.round(rate.median() * one.frameBytes() * Byte.SIZE / BITS_PER_GIGABIT * 1000) / 1000.0,
        Math.round(100.0 * bytesAllocated / frames) / 100.0,
        frames,
        bytesAllocated);
  }

  /** The platform, and what is special about its slots: the same word in a table and on a chart. */
  public String series() {
    return bounceSlots == null || bounceSlots.equals(SlotTable.OVMF.label())
        ? platform
        : platform + " (" + bounceSlots + ")";
  }
}
