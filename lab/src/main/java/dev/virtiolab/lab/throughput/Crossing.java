package dev.virtiolab.lab.throughput;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.TrafficReport;
import dev.virtiolab.lab.resource.Opened;
import dev.virtiolab.lab.segment.FaultReport;
import dev.virtiolab.lab.segment.Segment;
import dev.virtiolab.lab.segment.TapLink;
import dev.virtiolab.lab.segment.WireFaults;
import dev.virtiolab.lab.trace.Trace;
import dev.virtiolab.net.BackendSpec;
import dev.virtiolab.net.TapBackend;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/** Two network namespaces with a guest between them, and iperf3 at both ends: see the package. */
public final class Crossing implements AutoCloseable {
  /** Of the client, in a range that is kept for documentation (RFC 5737). */
  private static final String CLIENT_ADDRESS = "192.0.2.1";

  /** Of the server. */
  private static final String SERVER_ADDRESS = "192.0.2.2";

  /** Not the name of the client's, though it is in another namespace. */
  private static final String SERVER_TAP = "tap1";

  private static final int PREFIX_LENGTH = 24;
  private static final int ETHERNET_MTU = 1500;

  private final Opened opened;
  private final Iperf3 iperf3;
  private final IperfServer server;
  private final TapBackend clientTap;
  private final Optional<WireFaults> faults;
  private final MiddleGuest guest;

  private Crossing(
      Opened opened,
      Iperf3 iperf3,
      IperfServer server,
      TapBackend clientTap,
      Optional<WireFaults> faults,
      MiddleGuest guest) {
    this.opened = opened;
    this.iperf3 = iperf3;
    this.server = server;
    this.clientTap = clientTap;
    this.faults = faults;
    this.guest = guest;
  }

  /**
   * Makes a TAP for the client, which is to run in this process's namespace, and one in a namespace
   * of the server's, boots the guest between the two, and returns when it carries frames and the
   * server listens.
   *
   * @param wire the NIC's, a TAP
   * @param port that the server listens at; empty for iperf3's own choice
   * @throws LabException if the host does not allow it, iperf3 is missing or too old, or the guest
   *     does not boot
   */
  public static Crossing open(MachineConfig config, Segment.Wire wire, OptionalInt port) {
    Iperf3 iperf3 = Iperf3.require();
    BackendSpec.TapInterface spec = Segment.tapOf(wire.backend());
    int mtu = config.mtu().orElse(ETHERNET_MTU);
    Opened opened = new Opened();
    try {
      TapBackend clientTap = opened.add(TapLink.open(spec));
      TapLink.configure(clientTap.name(), CLIENT_ADDRESS + "/" + PREFIX_LENGTH, mtu);
      Segment.Wire.Plug plug = wire.dress(clientTap, config.seed());
      opened.add(plug.end());
      Optional<Trace> timeline = wire.openTimeline();
      timeline.ifPresent(opened::add);
      Seat seat = opened.add(Seat.ofItsOwn());
      Ipv4Address address = Ipv4Address.parse(SERVER_ADDRESS);
      MiddleGuest guest =
          opened.add(
              MiddleGuest.open(config, plug.end(), timeline, seat, SERVER_TAP, address, mtu));
      IperfServer server =
          opened.add(
              IperfServer.start(
                  iperf3, seat, IperfServer.arguments(port), OutputStream.nullOutputStream()));
      return new Crossing(opened, iperf3, server, clientTap, plug.faults(), guest);
    } catch (RuntimeException e) {
      throw opened.closeAfter(e);
    }
  }

  /**
   * Runs the client to its end, or until Ctrl-C.
   *
   * @param arguments further arguments, as iperf3 understands them
   * @param screen where its output goes, as it comes
   * @throws LabException if client, server, guest or wire fails
   */
  public IperfResult run(List<String> arguments, OutputStream screen) {
    List<String> all = new ArrayList<>(List.of("-c", SERVER_ADDRESS, "--forceflush"));
    all.addAll(arguments);
    return new IperfClient(iperf3.command(List.of(), all)).run(screen, this::check);
  }

  private void check() {
    server.check();
    if (!clientTap.linkUp()) {
      throw LabException.failure("the wire is gone: the TAP was deleted");
    }
    guest.check();
  }

  /** What crossed. The guest stops carrying frames for that. */
  public PathReport path() {
    long clientDrops = Seat.here().droppedByHost(clientTap.name());
    long serverDrops = guest.droppedByHost();
    PathReport.Relaying relaying = guest.stop();
    return PathReport.across(
        PathReport.End.of(CLIENT_ADDRESS, clientTap, clientDrops),
        guest.end(serverDrops),
        relaying);
  }

  /** What the NIC counted. */
  public TrafficReport traffic() {
    return guest.machine().report();
  }

  /** The machine, for whoever watches it. */
  public Machine machine() {
    return guest.machine();
  }

  /** The faults that were asked for. */
  public Optional<WireFaults> wireFaults() {
    return faults;
  }

  /** What befell the frames so far; empty where no faults were asked for. */
  public Optional<FaultReport> faults() {
    return faults.map(WireFaults::report);
  }

  /** Ends server and guest, and takes both TAPs down. */
  @Override
  public void close() {
    opened.close();
  }
}
