package dev.virtiolab.lab.cli;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.TrafficReport;
import dev.virtiolab.lab.host.HostCommand;
import dev.virtiolab.lab.host.TapAccess;
import dev.virtiolab.lab.segment.FaultReport;
import dev.virtiolab.lab.segment.GuestPair;
import dev.virtiolab.lab.segment.PeerSegment;
import dev.virtiolab.lab.segment.PeerWire;
import dev.virtiolab.lab.segment.PingResult;
import dev.virtiolab.lab.segment.Segment;
import dev.virtiolab.net.BackendSpec;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code vlab ping}. */
@Command(
    name = "ping",
    description = {
      "Pings a guest across the emulated NIC with the system's ping, and says what crossed.",
      "Boots the guest behind a TAP in a network namespace of its own. Where there can be none, and"
          + " no --backend asks for one, a second guest joins the first by a stream and takes the"
          + " host's part. Exit code 0 if nothing was lost, 1 if something was, 2 if it was asked for"
          + " what cannot be."
    })
final class PingCommand implements Callable<Integer> {

  /** What an IPv4 datagram of 65535 bytes leaves after its header and the ICMP header. */
  private static final int MAX_SIZE = 65_507;

  @Spec private CommandSpec spec;

  @Mixin private MachineOptions machine;

  @Mixin private WireOptions wire;

  @Mixin private DeviceOptions device;

  @Option(
      names = "--from",
      paramLabel = "host|guest",
      description =
          "who sends the requests (default: host; guest where the wire leads to another process)")
  private String from;

  @Option(
      names = "--to",
      paramLabel = "ADDRESS",
      defaultValue = "192.0.2.2",
      description =
          "whom the guest pings where the wire leads to another process, by default a guest that vlab up keeps"
              + " (default: ${DEFAULT-VALUE})")
  private String to;

  @Option(
      names = "--guest-address",
      paramLabel = "ADDRESS",
      defaultValue = "192.0.2.3",
      description =
          "of this guest where the wire leads to another process (default: ${DEFAULT-VALUE})")
  private String guestAddress;

  @Option(
      names = {"-c", "--count"},
      paramLabel = "N",
      defaultValue = "4",
      description = "requests to send (default: ${DEFAULT-VALUE})")
  private long count;

  @Option(
      names = {"-s", "--size"},
      paramLabel = "BYTES",
      defaultValue = "56",
      description = "data in each request, 0 to 65507 (default: ${DEFAULT-VALUE})")
  private int size;

  @Option(
      names = {"-f", "--flood"},
      description = "send the next request as soon as a reply is there")
  private boolean flood;

  @Option(names = "--json", description = "print one JSON object; ping's output is left out")
  private boolean json;

  @Parameters(
      paramLabel = "PING-OPTION",
      description = "after --, for the system's ping, such as -i 0.01")
  private List<String> pingOptions = List.of();

  /**
   * What {@code --json} prints.
   *
   * @param device java or qemu
   * @param from host or guest; a second guest that takes the host's part counts as the host
   * @param wire {@value #TAP}, {@value #STREAM}, {@value #DGRAM} or {@value #VXLAN}
   * @param noTapReason why there is a second guest instead of a host; null where there is a host,
   *     or a wire that was asked for
   * @param vxlan what this end of a VXLAN segment did and dropped; null on other wires
   */
  record Report(
      String device,
      String from,
      String wire,
      String noTapReason,
      Map<String, Long> vxlan,
      Ping ping,
      TrafficReport traffic,
      Optional<FaultReport> faults) {
    private static final String TAP = "tap";
    private static final String STREAM = "stream";
    private static final String DGRAM = "dgram";
    private static final String VXLAN = "vxlan";

    record Ping(
        long sent,
        long received,
        double lossPercent,
        Double rttMinMs,
        Double rttAverageMs,
        Double rttMaxMs) {}

    static Report ofTap(
        String device,
        String from,
        PingResult ping,
        TrafficReport traffic,
        Optional<FaultReport> faults) {
      return of(device, from, TAP, null, null, ping, traffic, faults);
    }

    static Report ofPeer(
        String device,
        String from,
        BackendSpec peer,
        Map<String, Long> vxlan,
        PingResult ping,
        TrafficReport traffic,
        Optional<FaultReport> faults) {
      String wire =
          switch (peer) {
            case BackendSpec.Vxlan _ -> VXLAN;
            case BackendSpec.Datagram _ -> DGRAM;
            default -> STREAM;
          };
      return of(device, from, wire, null, vxlan, ping, traffic, faults);
    }

    static Report ofFallback(
        String device,
        String from,
        String noTapReason,
        PingResult ping,
        TrafficReport traffic,
        Optional<FaultReport> faults) {
      return of(device, from, STREAM, noTapReason, null, ping, traffic, faults);
    }

    private static Report of(
        String device,
        String from,
        String wire,
        String noTapReason,
        Map<String, Long> vxlan,
        PingResult ping,
        TrafficReport traffic,
        Optional<FaultReport> faults) {
      return new Report(
          device,
          from,
          wire,
          noTapReason,
          vxlan,
          new Ping(
              ping.sent(),
              ping.received(),
              ping.lossPercent(),
              orNull(ping.minMillis()),
              orNull(ping.averageMillis()),
              orNull(ping.maxMillis())),
          traffic,
          faults);
    }

    /** JSON has no NaN. */
    private static Double orNull(double value) {
      return Double.isNaN(value) ? null : value;
    }
  }

  @Override
  public Integer call() {
    Optional<BackendSpec> peer = PeerWire.specOf(wire.toConfig().backend());
    if (from == null) {
      from = peer.isPresent() ? "guest" : "host";
    }
    MachineConfig config =
        peer.isPresent() ? machine.toConfig(MachineConfig.SECOND_MAC) : machine.toConfig();
    checkOptions();
    device.check(machine, wire);
    try (MetricsDoor metrics = wire.openMetrics()) {
      if (peer.isPresent()) {
        return pingPeer(config, peer.get(), metrics);
      }
      String noHost = noHostReason();
      if (!noHost.isEmpty()) {
        return pingSecondGuest(config, noHost, metrics);
      }
      metrics.enterNamespace();
      return pingAcrossTap(config, metrics);
    }
  }

  private int pingAcrossTap(MachineConfig config, MetricsDoor metrics) {
    PingResult result;
    TrafficReport traffic;
    Optional<FaultReport> faults;
    try (Segment segment = Segment.open(config, wire.toConfig(), device.maker());
        MetricsDoor shown = metrics) {
      shown.show(segment.machine(), segment.wireFaults(), spec.commandLine().getErr());
      result = from.equals("guest") ? pingFromGuest(segment) : pingFromHost(segment);
      traffic = segment.report();
      faults = segment.faults();
    }
    return tell(Report.ofTap(device.word(), from, result, traffic, faults), result);
  }

  /** Why no host can be had on the far side; empty if one can, or if there must be one. */
  private String noHostReason() {
    if (!wire.isDefault()) {
      return ""; // what is then missing is said when it is needed
    }
    String noTap = TapAccess.obstacle();
    return noTap.isEmpty() && from.equals("host")
        ? HostCommand.missing("ping", "iputils-ping").orElse("")
        : noTap;
  }

  /** Nobody but this process is needed: a second guest takes the host's part. */
  private int pingSecondGuest(MachineConfig config, String reason, MetricsDoor metrics) {
    if (!pingOptions.isEmpty()) {
      throw LabException.usage(
          "options after -- are for the host's ping, and no host can be had here: "
              + reason
              + ": "
              + String.join(" ", pingOptions));
    }
    PrintWriter err = spec.commandLine().getErr();
    err.println(
        "vlab: no host can be had on the far side ("
            + reason
            + "): a second guest takes its part, joined by a stream");
    err.flush();
    PingResult result;
    TrafficReport traffic;
    Optional<FaultReport> faults;
    try (GuestPair pair = GuestPair.open(config, wire.toConfig(), device.maker());
        MetricsDoor shown = metrics) {
      shown.show(pair.machine(), pair.wireFaults(), err);
      result =
          showSeries(
              from.equals("guest")
                  ? progress -> pair.pingFromFirst(count, size, flood, progress)
                  : progress -> pair.pingFromSecond(count, size, flood, progress));
      traffic = pair.report();
      faults = pair.faults();
    }
    return tell(Report.ofFallback(device.word(), from, reason, result, traffic, faults), result);
  }

  /** Another process is on the far side: the guest here pings the guest there. */
  private int pingPeer(MachineConfig config, BackendSpec peer, MetricsDoor metrics) {
    if (from.equals("host")) {
      throw LabException.usage(
          "--backend " + wire.toConfig().backend() + " has no host on its far side");
    }
    Ipv4Address target = WireOptions.address("--to", to);
    Ipv4Address own = WireOptions.address("--guest-address", guestAddress);
    PingResult result;
    TrafficReport traffic;
    Map<String, Long> vxlan;
    List<String> wireLines;
    Optional<FaultReport> faults;
    try (PeerSegment segment =
            PeerSegment.open(config, wire.toSingleConfig(), peer, own, true, device.maker());
        MetricsDoor shown = metrics) {
      shown.show(segment.machine(), segment.wireFaults(), spec.commandLine().getErr());
      result = showSeries(progress -> segment.pingFromGuest(target, count, size, flood, progress));
      traffic = segment.report();
      faults = segment.faults();
      vxlan = segment.vxlanTally();
      wireLines = segment.describeWire();
    }
    int exitCode =
        tell(Report.ofPeer(device.word(), from, peer, vxlan, result, traffic, faults), result);
    if (!json) {
      wireLines.forEach(spec.commandLine().getOut()::println);
      spec.commandLine().getOut().flush();
    }
    return exitCode;
  }

  private int tell(Report report, PingResult result) {
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(Json.of(report));
    } else {
      out.println(report.traffic().describe());
      report.faults().map(FaultReport::describe).ifPresent(out::println);
    }
    out.flush();
    return result.complete() ? 0 : LabException.FAILURE;
  }

  private void checkOptions() {
    if (!from.equals("host") && !from.equals("guest")) {
      throw LabException.usage("--from is host or guest, not " + from);
    }
    if (count < 1) {
      throw LabException.usage("--count is at least 1, not " + count);
    }
    if (size < 0 || size > MAX_SIZE) {
      throw LabException.usage("--size is from 0 to " + MAX_SIZE + ", not " + size);
    }
    if (from.equals("guest") && !pingOptions.isEmpty()) {
      throw LabException.usage("the guest's ping takes no options after --: " + pingOptions);
    }
  }

  private PingResult pingFromHost(Segment segment) {
    List<String> arguments = new ArrayList<>();
    arguments.addAll(List.of("-c", Long.toString(count), "-s", Integer.toString(size)));
    if (flood) {
      arguments.add("-f");
    }
    arguments.addAll(pingOptions);
    OutputStream screen = json ? OutputStream.nullOutputStream() : System.out;
    return segment.pingFromHost(arguments, screen);
  }

  private PingResult pingFromGuest(Segment segment) {
    return showSeries(progress -> segment.pingFromGuest(count, size, flood, progress));
  }

  private PingResult showSeries(Function<Consumer<String>, PingResult> series) {
    PrintWriter out = spec.commandLine().getOut();
    PingResult result =
        series.apply(
            line -> {
              if (!json) {
                out.println(line);
                out.flush();
              }
            });
    if (!json) {
      out.println(result.describe());
    }
    return result;
  }
}
