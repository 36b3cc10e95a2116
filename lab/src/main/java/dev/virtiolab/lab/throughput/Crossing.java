package dev.virtiolab.lab.throughput;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.GuestThread;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.TrafficReport;
import dev.virtiolab.lab.segment.FaultReport;
import dev.virtiolab.lab.segment.Segment;
import dev.virtiolab.lab.segment.TapLink;
import dev.virtiolab.lab.segment.WireFaults;
import dev.virtiolab.lab.trace.Trace;
import dev.virtiolab.net.BackendCounters;
import dev.virtiolab.net.BackendSpec;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.net.TapBackend;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * Two network namespaces with a guest between them, and iperf3 at both ends: see the package.
 *
 * <p>The second TAP has the NIC's own Ethernet address: to the client's kernel the server's kernel
 * is the guest's.
 */
public final class Crossing implements AutoCloseable {
  /** Of the client, in a range that is kept for documentation (RFC 5737). */
  public static final String CLIENT_ADDRESS = "192.0.2.1";

  /** Of the server. */
  public static final String SERVER_ADDRESS = "192.0.2.2";

  private static final int PREFIX_LENGTH = 24;
  private static final int ETHERNET_MTU = 1500;

  /** The drop column of what a line of /proc/net/dev counts as sent, after name and colon. */
  private static final int SENT_DROPS = 11;

  private final Iperf3 iperf3;
  private final IperfServer server;
  private final TapBackend clientTap;
  private final TapBackend serverTap;
  private final NetBackend wire;
  private final Optional<WireFaults> faults;
  private final Machine machine;
  private final Relay relay;
  private final Optional<Trace> timeline;
  private final CompletableFuture<Relay.Counts> relaying;

  private Crossing(
      Iperf3 iperf3,
      IperfServer server,
      TapBackend clientTap,
      TapBackend serverTap,
      Segment.Wire.Plug plug,
      Machine machine,
      Optional<Trace> timeline) {
    this.iperf3 = iperf3;
    this.server = server;
    this.clientTap = clientTap;
    this.serverTap = serverTap;
    wire = plug.end();
    faults = plug.faults();
    this.machine = machine;
    this.timeline = timeline;
    relay = new Relay(machine.board().platform().cpuMemory(), serverTap);
    GuestThread guest = machine.guest();
    relaying = guest.begin(relay::run);
  }

  /**
   * Starts the server in a namespace of its own, makes a TAP for it and one for the client, which
   * is to run in this process's namespace, boots the guest between the two, and returns when it
   * carries frames.
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
    // What was opened, to be closed in reverse if a later step fails.
    List<AutoCloseable> opened = new ArrayList<>();
    try {
      IperfServer server = IperfServer.start(iperf3, port);
      opened.add(server);
      TapBackend clientTap = TapLink.open(spec);
      opened.add(clientTap);
      TapLink.configure(clientTap.name(), CLIENT_ADDRESS + "/" + PREFIX_LENGTH, mtu);
      Segment.Wire.Plug plug = wire.dress(clientTap, config.seed());
      opened.add(plug.end());
      TapBackend serverTap = openServerTap(server, config, mtu);
      opened.add(serverTap);
      Optional<Trace> timeline = wire.openTimeline();
      timeline.ifPresent(opened::add);
      Machine machine =
          Machine.start(config, plug.end(), Ipv4Address.parse(SERVER_ADDRESS), timeline);
      return new Crossing(iperf3, server, clientTap, serverTap, plug, machine, timeline);
    } catch (RuntimeException e) {
      opened.reversed().forEach(Crossing::closeQuietly);
      throw e;
    }
  }

  private static TapBackend openServerTap(IperfServer server, MachineConfig config, int mtu) {
    TapBackend tap = TapLink.open(new BackendSpec.TapInterface(""));
    try {
      TapLink.ip(
          List.of(),
          "link",
          "set",
          "dev",
          tap.name(),
          "address",
          config.mac().toString(),
          "netns",
          Long.toString(server.pid()));
      TapLink.configure(server.inside(), tap.name(), SERVER_ADDRESS + "/" + PREFIX_LENGTH, mtu);
      return tap;
    } catch (RuntimeException e) {
      tap.close();
      throw e;
    }
  }

  private static void closeQuietly(AutoCloseable opened) {
    try {
      opened.close();
    } catch (Exception e) {
      // The first failure is the one that is reported.
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
    try {
      return new IperfClient(iperf3, all).run(screen, this::check);
    } catch (LabException e) {
      // Where the server or the wire went, that is the reason, and not what the client made of it.
      check();
      throw e;
    }
  }

  private void check() {
    if (!server.running()) {
      throw server.ended();
    }
    if (!clientTap.linkUp()) {
      throw LabException.failure("the wire is gone: the TAP was deleted");
    }
    if (relaying.isDone()) {
      counts(); // throws what it died of
      throw LabException.failure("the wire is gone: the server's TAP was deleted");
    }
  }

  /** What crossed. The guest stops carrying frames for that. */
  public PathReport path() {
    long clientDrops = dropsOfHost("self", clientTap.name());
    long serverDrops = dropsOfHost(Long.toString(server.pid()), serverTap.name());
    relay.stop();
    Relay.Counts counts = counts();
    return new PathReport(
        end(clientTap, clientDrops),
        end(serverTap, serverDrops),
        new PathReport.Relaying(counts.toWire(), counts.fromWire(), counts.dropped()));
  }

  private static PathReport.End end(TapBackend tap, long droppedByHost) {
    BackendCounters counters = tap.counters();
    return new PathReport.End(
        tap.name(),
        counters.framesOut(),
        counters.framesIn(),
        counters.droppedOut() + counters.droppedIn(),
        droppedByHost);
  }

  /** What the NIC counted. */
  public TrafficReport traffic() {
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

  private Relay.Counts counts() {
    try {
      return relaying.join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof RuntimeException known ? known : e;
    }
  }

  /** Frames that a kernel wanted to send on its interface and could not. */
  private static long dropsOfHost(String process, String tap) {
    // Not by a channel, which Ctrl-C would close: it does not cost the user the summary.
    try (InputStream file = new FileInputStream("/proc/" + process + "/net/dev")) {
      String text = new String(file.readAllBytes(), StandardCharsets.UTF_8);
      for (String line : text.lines().toList()) {
        String[] halves = line.strip().split(":", 2);
        if (halves.length == 2 && halves[0].equals(tap)) {
          return Long.parseLong(halves[1].strip().split("\\s+")[SENT_DROPS]);
        }
      }
      throw LabException.failure("the wire is gone: " + tap + " was deleted");
    } catch (IOException e) {
      throw LabException.failure("cannot read /proc/" + process + "/net/dev: " + e, e);
    }
  }

  /** Ends server and guest, and takes both TAPs down. */
  @Override
  public void close() {
    relay.stop();
    try {
      machine.close();
    } finally {
      timeline.ifPresent(Trace::close);
      server.close();
      serverTap.close();
      wire.close();
    }
  }
}
