package dev.virtiolab.lab.segment;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.trace.Trace;
import dev.virtiolab.net.BackendOpenException;
import dev.virtiolab.net.BackendSpec;
import dev.virtiolab.net.BackendSpecException;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.netty.StreamBackend;
import dev.virtiolab.net.netty.StreamConfig;
import dev.virtiolab.net.netty.StreamTrouble;
import dev.virtiolab.net.netty.VxlanBackend;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * A wire that leads to another process, with what was asked for before it, and what is known of who
 * is at its far end.
 */
public final class PeerWire implements AutoCloseable {
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(10);
  private static final long SETTLE_NANOS = TimeUnit.MILLISECONDS.toNanos(500);
  private static final long LOOK_MILLIS = 10;

  private final NetBackend peer;
  private final String name;
  private final Segment.Wire.Plug plug;
  private final Troubles troubles;
  private final Optional<Trace> timeline;

  /** What befell the stream: the last word of a peer that is not let in, or not there. */
  private static final class Troubles {
    private volatile String refusal;
    private volatile String absence = "nobody came";

    void hear(StreamTrouble trouble, String line) {
      switch (trouble) {
        case NO_PEER -> absence = line;
        case BROKEN, CUT_FRAME -> {
          // The peer went away: the link says so.
        }
        default -> refusal = line;
      }
    }
  }

  private PeerWire(
      NetBackend peer,
      String name,
      Segment.Wire.Plug plug,
      Troubles troubles,
      Optional<Trace> timeline) {
    this.peer = peer;
    this.name = name;
    this.plug = plug;
    this.troubles = troubles;
    this.timeline = timeline;
  }

  /**
   * The wire to another process that {@code backend} names: a stream, a datagram socket or a VXLAN
   * segment; empty if it names something else.
   *
   * @throws LabException if it cannot be read
   */
  public static Optional<BackendSpec> specOf(String backend) {
    try {
      BackendSpec spec = BackendSpec.parse(backend);
      return switch (spec) {
        case BackendSpec.Stream _, BackendSpec.Datagram _, BackendSpec.Vxlan _ -> Optional.of(spec);
        case BackendSpec.TapInterface _, BackendSpec.Loopback _, BackendSpec.Sink _ ->
            Optional.empty();
      };
    } catch (BackendSpecException e) {
      throw LabException.usage(e.getMessage(), e);
    }
  }

  /**
   * Opens the wire.
   *
   * @param wire what was asked for
   * @param spec the wire, as {@link #specOf} found it
   * @param waitsForPeer whether to wait for the other side, where a wire knows whether it is there
   * @throws LabException if the wire cannot be had, or the peer does not come or is not trusted
   */
  public static PeerWire open(
      MachineConfig config, Segment.Wire wire, BackendSpec spec, boolean waitsForPeer) {
    Troubles troubles = new Troubles();
    NetBackend backend = openBackend(spec, config, troubles, waitsForPeer);
    NetBackend end = backend;
    Optional<Trace> timeline = Optional.empty();
    try {
      Segment.Wire.Plug plug = wire.dress(end, config.seed());
      end = plug.end();
      timeline = wire.openTimeline();
      // A datagram socket has no port but the one that was asked for.
      String name = (spec instanceof BackendSpec.Datagram ? spec : backend).toString();
      PeerWire opened = new PeerWire(backend, name, plug, troubles, timeline);
      if (waitsForPeer && spec instanceof BackendSpec.Stream(var stream)) {
        opened.awaitPeer(stream.tls().isPresent() ? SETTLE_NANOS : 0);
      }
      return opened;
    } catch (RuntimeException e) {
      timeline.ifPresent(Trace::close);
      end.close();
      throw e;
    }
  }

  private static NetBackend openBackend(
      BackendSpec spec, MachineConfig config, Troubles troubles, boolean waitsForPeer) {
    try {
      return spec instanceof BackendSpec.Stream(var stream)
          ? openStream(
              config.seed().isPresent() ? stream.withSeed(config.seed().getAsLong()) : stream,
              troubles,
              waitsForPeer)
          : spec.open();
    } catch (BackendOpenException e) {
      throw LabException.usage(e.getMessage(), e);
    }
  }

  private static StreamBackend openStream(
      StreamConfig config, Troubles troubles, boolean waitsForPeer) {
    // Who waits for the peer says itself what came of it; who does not leaves it to the log.
    return waitsForPeer ? StreamBackend.open(config, troubles::hear) : StreamBackend.open(config);
  }

  /**
   * Waits for the peer. With TLS 1.3 a client is told last whether its certificate will do: its
   * link may come up before it is refused, so it has to hold for a moment.
   */
  private void awaitPeer(long settleNanos) {
    long start = System.nanoTime();
    long upSince = 0;
    while (upSince == 0 || System.nanoTime() - upSince < settleNanos) {
      if (!peer.linkUp()) {
        upSince = 0;
      } else if (upSince == 0) {
        upSince = System.nanoTime();
      }
      checkRefusal();
      if (System.nanoTime() - start > PATIENCE_NANOS) {
        throw LabException.failure(name + ": no peer in 10 s: " + troubles.absence);
      }
      try {
        Thread.sleep(LOOK_MILLIS);
      } catch (InterruptedException e) {
        throw LabException.interrupted();
      }
    }
  }

  /**
   * Looks whether the peer wants this end.
   *
   * @throws LabException with its last word, if it does not
   */
  public void checkRefusal() {
    if (troubles.refusal != null) {
      throw LabException.failure(name + ": " + troubles.refusal);
    }
  }

  /** What the NIC is plugged into. */
  public NetBackend end() {
    return plug.end();
  }

  /** Where to put what device, drivers and platform do. */
  public Optional<Trace> timeline() {
    return timeline;
  }

  /** What this end of a VXLAN segment did and dropped, by words; null where the wire is none. */
  public Map<String, Long> vxlanTally() {
    return peer instanceof VxlanBackend vxlan ? VxlanTally.of(vxlan) : null;
  }

  /** The same in a line; none where the wire is no VXLAN segment. */
  public List<String> describe() {
    return peer instanceof VxlanBackend vxlan ? List.of(VxlanTally.describe(vxlan)) : List.of();
  }

  /** The faults that were asked for. */
  public Optional<WireFaults> faults() {
    return plug.faults();
  }

  /** As on the command line, with the port that it was given. */
  @Override
  public String toString() {
    return name;
  }

  /** Ends the timeline and closes the wire, after the machine. */
  @Override
  public void close() {
    timeline.ifPresent(Trace::close);
    plug.end().close();
  }
}
