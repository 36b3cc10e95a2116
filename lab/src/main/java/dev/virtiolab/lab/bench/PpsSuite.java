package dev.virtiolab.lab.bench;

import dev.virtiolab.lab.LabException;
import java.util.concurrent.TimeUnit;

/**
 * Frames per second: each case gets a machine of its own, is warmed up, and is timed several times.
 *
 * @param runs timed runs of each case
 * @param secondsPerRun how long each is
 */
public record PpsSuite(int runs, double secondsPerRun) {
  /** As on the command line. */
  public static final String NAME = "pps";

  /** Runs before the first timed one; the first case in a process has the compiler to wait for. */
  private static final int WARM_UPS = 1;

  private static final int FIRST_WARM_UPS = 5;

  /** Code that is not compiled yet allocates; the warm-up goes on until none does, or so often. */
  private static final int MOST_WARM_UPS = 20;

  /**
   * Measures one case.
   *
   * @param first whether nothing was measured in this process before
   * @throws LabException if a frame was lost, garbled or invented
   */
  public BenchResult measure(BenchCase one, boolean first) {
    long nanos = Math.round(secondsPerRun * TimeUnit.SECONDS.toNanos(1));
    double[] rates = new double[runs];
    long frames = 0;
    long bytesAllocated = 0;
    try (PacketRun run =
        new PacketRun(one.machine(), one.direction(), one.threads(), one.frameBytes())) {
      boolean settled = false;
      for (int i = 0;
          i < (first ? FIRST_WARM_UPS : WARM_UPS) || !settled && i < MOST_WARM_UPS;
          i++) {
        settled = run.run(nanos).bytesAllocated() == 0;
      }
      for (int i = 0; i < runs; i++) {
        PacketRun.Result result = run.run(nanos);
        rates[i] = result.framesPerSecond();
        frames += result.frames();
        bytesAllocated += result.bytesAllocated();
      }
    } catch (BrokenRunException e) {
      throw LabException.failure(one + ": " + e.getMessage(), e);
    }
    return BenchResult.of(one, Spread.of(rates), frames, bytesAllocated);
  }
}
