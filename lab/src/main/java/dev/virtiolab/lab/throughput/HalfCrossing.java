package dev.virtiolab.lab.throughput;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.TrafficReport;
import dev.virtiolab.lab.resource.Opened;
import dev.virtiolab.lab.segment.FaultReport;
import dev.virtiolab.lab.segment.PeerWire;
import dev.virtiolab.lab.segment.Segment;
import dev.virtiolab.lab.segment.WireFaults;
import dev.virtiolab.net.BackendSpec;
import java.io.OutputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * One half of a crossing, whose wire leads to another process: iperf3, client or server, is behind
 * this guest's driver, and the other one behind another's.
 */
public final class HalfCrossing implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(HalfCrossing.class.getName());

  private static final int ETHERNET_MTU = 1500;
  private static final long LOOK_MILLIS = 100;

  private final Opened opened;
  private final Iperf3 iperf3;
  private final PeerWire wire;
  private final Seat seat;
  private final MiddleGuest guest;
  private final Ipv4Address address;

  private boolean servesOne;
  private Supplier<IperfServer> starter;

  /** Null of a client. */
  private Replaceable server;

  /** The server, or the one that took its place. */
  private static final class Replaceable implements AutoCloseable {
    private IperfServer now;

    private Replaceable(IperfServer first) {
      now = first;
    }

    @Override
    public void close() {
      now.close();
    }
  }

  private HalfCrossing(
      Opened opened,
      Iperf3 iperf3,
      PeerWire wire,
      Seat seat,
      MiddleGuest guest,
      Ipv4Address address) {
    this.opened = opened;
    this.iperf3 = iperf3;
    this.wire = wire;
    this.seat = seat;
    this.guest = guest;
    this.address = address;
  }

  /**
   * Opens the wire, makes the TAP, boots the guest between the two, and returns when it carries
   * frames.
   *
   * @param peer the wire, as {@link PeerWire#specOf} found it
   * @param address of the kernel behind the guest
   * @param here whether TAP and iperf3 are to be in the present network namespace
   * @param waitsForPeer whether to wait for the other side before, where a wire knows whether it is
   *     there
   * @throws LabException if the host does not allow it, iperf3 is missing or too old, the peer does
   *     not come or is not trusted, or the guest does not boot
   */
  public static HalfCrossing open(
      MachineConfig config,
      Segment.Wire wire,
      BackendSpec peer,
      Ipv4Address address,
      boolean here,
      boolean waitsForPeer) {
    Iperf3 iperf3 = Iperf3.require();
    Opened opened = new Opened();
    try {
      Seat seat = opened.add(here ? Seat.here() : Seat.ofItsOwn());
      PeerWire plug = opened.add(PeerWire.open(config, wire, peer, waitsForPeer));
      int mtu = config.mtu().orElse(plug.end().mtu().orElse(ETHERNET_MTU));
      MiddleGuest guest =
          opened.add(MiddleGuest.open(config, plug.end(), plug.timeline(), seat, "", address, mtu));
      return new HalfCrossing(opened, iperf3, plug, seat, guest, address);
    } catch (RuntimeException e) {
      throw opened.closeAfter(e);
    }
  }

  /**
   * Starts the server behind the guest, and returns when it listens. It does so at its address
   * there and nowhere else.
   *
   * @param port that it listens at; empty for iperf3's own choice
   * @param oneOff whether it is to end after one client
   * @param further arguments, as iperf3 understands them
   * @param screen where its output goes, as it comes
   * @throws LabException if it does not
   */
  public void startServer(
      OptionalInt port, boolean oneOff, List<String> further, OutputStream screen) {
    List<String> arguments = IperfServer.arguments(port);
    arguments.addAll(List.of("-B", address.toString()));
    if (oneOff) {
      arguments.add("-1");
    }
    arguments.addAll(further);
    servesOne = oneOff;
    starter = () -> IperfServer.start(iperf3, seat, arguments, screen);
    server = opened.add(new Replaceable(starter.get()));
  }

  /**
   * Waits until the server has ended in order, or for Ctrl-C. Clients may come and go; where one
   * went in the middle of a test, which iperf3 would wait for, the server starts over.
   *
   * @param patience how long a client may be silent in the middle of a test
   * @throws LabException if server, guest or TAP fails, or the only client that there is to be goes
   */
  public void serve(Duration patience) {
    Silence silence = null;
    try {
      while (!server.now.awaitEnd(LOOK_MILLIS, TimeUnit.MILLISECONDS)) {
        guest.check();
        Optional<Ipv4Address> client = server.now.client();
        if (client.isEmpty()) {
          silence = null;
        } else if (silence == null) {
          silence =
              new Silence(
                  wire.end(),
                  server.now::movedBytes,
                  wire.toString(),
                  seat,
                  client.get(),
                  patience);
        } else if (!silence.bearable()) {
          startOver(silence);
          silence = null;
        }
      }
    } catch (InterruptedException e) {
      return; // Ctrl-C is how this ends
    }
    server.now.checkEnd();
  }

  private void startOver(Silence silence) {
    if (servesOne) {
      silence.check();
    }
    LOG.log(System.Logger.Level.WARNING, "{0}; the server starts over", silence.complaint());
    server.now.close();
    server.now = starter.get();
  }

  /**
   * Runs the client behind the guest to its end, or until Ctrl-C.
   *
   * @param target where the server is
   * @param arguments further arguments, as iperf3 understands them
   * @param screen where its output goes, as it comes
   * @param patience how long the other side may be silent
   * @throws LabException if client, guest or TAP fails, or the other side is gone
   */
  public IperfResult run(
      Ipv4Address target, List<String> arguments, OutputStream screen, Duration patience) {
    List<String> all = new ArrayList<>(List.of("-c", target.toString(), "--forceflush"));
    all.addAll(arguments);
    Silence silence =
        new Silence(wire.end(), () -> Long.MIN_VALUE, wire.toString(), seat, target, patience);
    return new IperfClient(iperf3.command(seat.command(), all))
        .run(
            screen,
            () -> {
              guest.check();
              silence.check();
            });
  }

  /** What crossed. The guest stops carrying frames for that. */
  public PathReport path() {
    long drops = guest.droppedByHost();
    PathReport.Relaying relaying = guest.stop();
    PathReport.End end = guest.end(drops);
    PathReport.Peer peer = PathReport.Peer.of(wire.toString(), wire.end().counters());
    return server != null
        ? PathReport.ofServer(end, peer, relaying)
        : PathReport.ofClient(end, peer, relaying);
  }

  /** What the NIC counted. */
  public TrafficReport traffic() {
    return guest.machine().report();
  }

  /** The machine, for whoever watches it. */
  public Machine machine() {
    return guest.machine();
  }

  /** The wire, as on the command line, with the port that it was given. */
  public String wire() {
    return wire.toString();
  }

  /** The TAP behind the guest. */
  public String tapName() {
    return guest.tapName();
  }

  /** How somebody else runs a command where iperf3 is; empty where that is the present network. */
  public String enter() {
    return seat.enter();
  }

  /** What this end of a VXLAN segment did and dropped, by words; null where the wire is none. */
  public Map<String, Long> vxlanTally() {
    return wire.vxlanTally();
  }

  /** The same in a line; none where the wire is no VXLAN segment. */
  public List<String> describeWire() {
    return wire.describe();
  }

  /** The faults that were asked for. */
  public Optional<WireFaults> wireFaults() {
    return wire.faults();
  }

  /** What befell the frames so far; empty where no faults were asked for. */
  public Optional<FaultReport> faults() {
    return wire.faults().map(WireFaults::report);
  }

  /** Ends the server, if there is one, and the guest, takes the TAP down and closes the wire. */
  @Override
  public void close() {
    opened.close();
  }
}
