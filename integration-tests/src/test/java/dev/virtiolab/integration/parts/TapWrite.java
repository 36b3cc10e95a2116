package dev.virtiolab.integration.parts;

import dev.virtiolab.lab.host.HostCommand;
import dev.virtiolab.net.TapBackend;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * One frame to the kernel through a TAP, which drops it: the interface has no address. In a network
 * namespace of the benchmark's own.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class TapWrite {
  /** Of the frame. */
  @Param({"64", "1514"})
  private int bytes;

  private TapBackend tap;

  /** For JMH. */
  public TapWrite() {}

  /** Makes the interface and brings it up. */
  @Setup
  public void open() {
    tap = TapBackend.open("");
    HostCommand.runOrFail(
        HostCommand.require("ip", "iproute2"), "link", "set", "dev", tap.name(), "up");
  }

  /** One frame. */
  @Benchmark
  public long write() {
    if (!tap.claim(bytes)) {
      throw new IllegalStateException("no room");
    }
    tap.commit();
    return tap.claimedOffset();
  }

  /** Fails where frames did not reach the kernel; takes the interface down. */
  @TearDown
  public void close() {
    long lost = tap.counters().droppedOut();
    tap.close();
    if (lost != 0) {
      throw new IllegalStateException("frames lost: " + lost);
    }
  }
}
