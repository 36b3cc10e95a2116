package dev.virtiolab.lab.segment;

import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.fault.Direction;
import dev.virtiolab.net.fault.Fault;
import dev.virtiolab.net.fault.FaultCounters;
import dev.virtiolab.net.fault.FaultSpec;
import dev.virtiolab.net.fault.FaultyBackend;
import java.util.OptionalLong;
import java.util.concurrent.ThreadLocalRandom;

/** The faults that were asked for, on the wire of one NIC. */
public final class WireFaults {
  /** A seed that nobody chose is one that is easily typed. */
  private static final long SEEDS = 1_000_000;

  private final long seed;
  private final FaultyBackend backend;
  private final LostPings lostPings = new LostPings();

  private WireFaults(long seed, FaultyBackend backend) {
    this.seed = seed;
    this.backend = backend;
  }

  /**
   * Puts faults on {@code wire}, which is closed with them.
   *
   * @param seed empty to draw one, which the report then names
   */
  static WireFaults on(NetBackend wire, FaultSpec spec, OptionalLong seed) {
    long chosen = seed.orElseGet(() -> ThreadLocalRandom.current().nextLong(SEEDS));
    WireFaults faults = new WireFaults(chosen, FaultyBackend.open(wire, chosen));
    faults.backend.observe(faults.lostPings);
    faults.backend.rules(spec);
    return faults;
  }

  /** What the NIC is plugged into. */
  public FaultyBackend backend() {
    return backend;
  }

  /** What befell the frames so far. */
  public FaultReport report() {
    return new FaultReport(
        seed,
        way(Direction.OUT),
        way(Direction.IN),
        new FaultReport.Pings(lostPings.requests(), lostPings.replies()));
  }

  private FaultReport.Way way(Direction direction) {
    FaultCounters counters = backend.faults();
    return new FaultReport.Way(
        counters.frames(direction),
        counters.count(direction, Fault.LOST),
        counters.count(direction, Fault.PARTITIONED),
        counters.count(direction, Fault.LINK_DOWN),
        counters.count(direction, Fault.OVERFLOWED),
        counters.count(direction, Fault.CORRUPTED),
        counters.count(direction, Fault.DUPLICATED),
        counters.count(direction, Fault.REORDERED),
        counters.waiting(direction));
  }
}
