package dev.virtiolab.integration;

import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.net.VirtioNetDxe;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.bench.Direction;
import dev.virtiolab.lab.bench.PacketRun;
import dev.virtiolab.lab.bench.PacketRun.Result;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.Arrays;

/**
 * Nanoseconds per frame through a whole machine, while one works on it. Run by hand, with groups of
 * arguments {@code PLATFORM DIRECTION THREADS BYTES}, such as {@code pc tx 1 64}; nothing is
 * asserted, since machines differ. The guest thread's processor time is printed beside the time
 * that passed: on a machine that is shared it is the steadier of the two. Steadier still are many
 * short runs, {@code -Dmillis=0 -Dwarmups=2000 -Druns=1000}: few are interrupted, and the median is
 * one of the others. Between two launches the JIT compiler alone makes 10 ns of difference.
 */
final class PacketSpeed {
  private static final long RUN_NANOS = Long.getLong("millis", 500) * 1_000_000;
  private static final int WARM_UPS = Integer.getInteger("warmups", 4);
  private static final int RUNS = Integer.getInteger("runs", 5);

  private PacketSpeed() {}

  public static void main(String[] arguments) {
    for (int i = 0; i + 4 <= arguments.length; i += 4) {
      measure(
          PlatformKind.parse(arguments[i]),
          Direction.valueOf(arguments[i + 1].toUpperCase()),
          Integer.parseInt(arguments[i + 2]),
          Integer.parseInt(arguments[i + 3]));
    }
  }

  private static void measure(
      PlatformKind platform, Direction direction, int threads, int frameBytes) {
    double[] nanos = new double[RUNS];
    double[] cpuNanos = new double[RUNS];
    ThreadMXBean clock = ManagementFactory.getThreadMXBean();
    double allocated = 0;
    try (PacketRun run = new PacketRun(config(platform), direction, threads, frameBytes)) {
      for (int i = 0; i < WARM_UPS; i++) {
        run.run(RUN_NANOS);
      }
      for (int i = 0; i < RUNS; i++) {
        long before = clock.getCurrentThreadCpuTime();
        Result result = run.run(RUN_NANOS);
        cpuNanos[i] = (double) (clock.getCurrentThreadCpuTime() - before) / result.frames();
        nanos[i] = (double) result.nanos() / result.frames();
        allocated = Math.max(allocated, result.bytesAllocatedPerFrame());
      }
    }
    Arrays.sort(nanos);
    Arrays.sort(cpuNanos);
    double median = nanos[RUNS / 2];
    System.out.printf(
        "%-12s %-4s threads=%d bytes=%4d  %6.1f ns (%.1f-%.1f)  cpu %6.1f (%.1f-)  %6.2f M/s  allocated=%.4f%n",
        platform,
        direction,
        threads,
        frameBytes,
        median,
        nanos[0],
        nanos[RUNS - 1],
        cpuNanos[RUNS / 2],
        cpuNanos[0],
        1e3 / median,
        allocated);
  }

  private static MachineConfig config(PlatformKind platform) {
    MachineConfig plain = MachineConfig.of(platform);
    return new MachineConfig(
        plain.platform(), plain.slot(), plain.mac(), plain.mtu(), slots(), plain.seed());
  }

  private static BounceSlots slots() {
    return switch (System.getProperty("slots", "ovmf")) {
      case "ovmf" -> BounceSlots.OVMF;
      case "ring" -> BounceSlots.ovmfWithSmallSlots(VirtioNetDxe.FULL_RING_MAPPINGS);
      case "none" -> BounceSlots.NONE;
      default -> throw new IllegalArgumentException("slots: ovmf, ring or none");
    };
  }
}
