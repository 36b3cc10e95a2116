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

  private static final long WARM_UP_RUN_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

  /**
   * The compiler works in rounds and competes for the processor: what has not become faster for so
   * long will not.
   */
  private static final long FIRST_SETTLED_NANOS = TimeUnit.MILLISECONDS.toNanos(1000);

  /** The same for a case that follows another in the same process. */
  private static final long SETTLED_NANOS = TimeUnit.MILLISECONDS.toNanos(300);

  /** On a machine with other things to do no two runs are alike. */
  private static final long LONGEST_WARM_UP_NANOS = TimeUnit.SECONDS.toNanos(10);

  private static final double FASTER = 1.02;

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
      warmUp(run, first ? FIRST_SETTLED_NANOS : SETTLED_NANOS);
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

  /** Runs until runs have neither become faster nor allocated for a while. */
  private static void warmUp(PacketRun run, long settledNanos) {
    long begin = System.nanoTime();
    long settledSince = begin;
    double best = 0;
    for (long now = begin;
        now - settledSince < settledNanos && now - begin < LONGEST_WARM_UP_NANOS;
        now = System.nanoTime()) {
      PacketRun.Result result = run.run(WARM_UP_RUN_NANOS);
      if (result.bytesAllocated() != 0 || result.framesPerSecond() > best * FASTER) {
        best = Math.max(best, result.framesPerSecond());
        settledSince = System.nanoTime();
      }
    }
  }
}
