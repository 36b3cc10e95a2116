package dev.virtiolab.lab.segment;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.TrafficReport;
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
import java.util.function.Consumer;

/**
 * A guest whose wire leads to another process: a second lab, or a QEMU. Nothing of the host's
 * network is touched, so that no right is needed.
 */
public final class PeerSegment implements AutoCloseable {
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(10);
  private static final long SETTLE_NANOS = TimeUnit.MILLISECONDS.toNanos(500);
  private static final long LOOK_MILLIS = 10;

  private final NetBackend peer;
  private final NetBackend wire;
  private final Troubles troubles;
  private final Optional<Trace> timeline;
  private final Optional<WireFaults> faults;
  private Machine machine;

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

  private PeerSegment(
      NetBackend peer, Segment.Wire.Plug plug, Troubles troubles, Optional<Trace> timeline) {
    this.peer = peer;
    wire = plug.end();
    faults = plug.faults();
    this.troubles = troubles;
    this.timeline = timeline;
  }

  /**
   * The wire to another process that {@code backend} names: a stream, a datagram socket or a VXLAN
   * segment; empty if it names something else.
   *
   * @throws LabException if it cannot be read
   */
  public static Optional<BackendSpec> peerOf(String backend) {
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
   * Opens the wire and boots the guest.
   *
   * @param peer the wire, as {@link #peerOf} found it
   * @param waitsForPeer whether to wait for the other side before, where a wire knows whether it is
   *     there
   * @throws LabException if the wire cannot be had, the peer does not come or is not trusted, or
   *     the guest does not boot
   */
  public static PeerSegment open(
      MachineConfig config,
      Segment.Wire wire,
      BackendSpec peer,
      Ipv4Address guestAddress,
      boolean waitsForPeer) {
    Troubles troubles = new Troubles();
    NetBackend backend = openWire(peer, config, troubles, waitsForPeer);
    NetBackend end = backend;
    Optional<Trace> timeline = Optional.empty();
    try {
      Segment.Wire.Plug plug = wire.dress(end, config.seed());
      end = plug.end();
      timeline = wire.openTimeline();
      PeerSegment segment = new PeerSegment(backend, plug, troubles, timeline);
      if (waitsForPeer && peer instanceof BackendSpec.Stream(var stream)) {
        segment.awaitPeer(stream.tls().isPresent() ? SETTLE_NANOS : 0);
      }
      segment.machine = Machine.start(config, end, guestAddress, timeline);
      return segment;
    } catch (RuntimeException e) {
      timeline.ifPresent(Trace::close);
      end.close();
      throw e;
    }
  }

  private static NetBackend openWire(
      BackendSpec peer, MachineConfig config, Troubles troubles, boolean waitsForPeer) {
    try {
      return peer instanceof BackendSpec.Stream(var stream)
          ? openStream(
              config.seed().isPresent() ? stream.withSeed(config.seed().getAsLong()) : stream,
              troubles,
              waitsForPeer)
          : peer.open();
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
      if (troubles.refusal != null) {
        throw LabException.failure(peer + ": " + troubles.refusal);
      }
      if (System.nanoTime() - start > PATIENCE_NANOS) {
        throw LabException.failure(peer + ": no peer in 10 s: " + troubles.absence);
      }
      try {
        Thread.sleep(LOOK_MILLIS);
      } catch (InterruptedException e) {
        throw LabException.interrupted();
      }
    }
  }

  /** The wire, as on the command line, with the port that it was given. */
  public String wire() {
    return peer.toString();
  }

  /** What this end of a VXLAN segment did and dropped, by words; null where the wire is none. */
  public Map<String, Long> vxlanTally() {
    return peer instanceof VxlanBackend vxlan ? VxlanTally.of(vxlan) : null;
  }

  /** The same in a line; none where the wire is no VXLAN segment. */
  public List<String> describeWire() {
    return peer instanceof VxlanBackend vxlan ? List.of(VxlanTally.describe(vxlan)) : List.of();
  }

  /**
   * Lets the guest ping another.
   *
   * @param progress told of each reply, in a line like ping's
   * @throws LabException if the peer refused this side, and nothing came back
   */
  public PingResult pingFromGuest(
      Ipv4Address target, long count, int size, boolean flood, Consumer<String> progress) {
    PingResult result =
        new GuestPing(machine.guest(), "the guest", target, count, size, flood, progress).run();
    if (result.received() == 0 && troubles.refusal != null) {
      throw LabException.failure(peer + ": " + troubles.refusal);
    }
    return result;
  }

  /** Waits for Ctrl-C; peers may come and go. */
  public void runUntilInterrupted() {
    machine.runUntilInterrupted(() -> true);
  }

  /** What crossed so far, once the guest has taken back what the device is done with. */
  public TrafficReport report() {
    machine.guest().ask(firmware -> firmware.stack().poll(), () -> {});
    return machine.report();
  }

  /** The machine, for whoever watches it. */
  public Machine machine() {
    return machine;
  }

  /** The faults that were asked for. */
  public Optional<WireFaults> wireFaults() {
    return faults;
  }

  /** What befell the frames so far; empty where no faults were asked for. */
  public Optional<FaultReport> faults() {
    return faults.map(WireFaults::report);
  }

  /** Stops guest and device, and closes the wire. */
  @Override
  public void close() {
    try {
      machine.close();
    } finally {
      timeline.ifPresent(Trace::close);
      wire.close();
    }
  }
}
