package dev.virtiolab.lab.cli;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.TrafficReport;
import dev.virtiolab.lab.host.NetworkNamespace;
import dev.virtiolab.lab.segment.FaultReport;
import dev.virtiolab.lab.segment.PeerWire;
import dev.virtiolab.lab.segment.Segment;
import dev.virtiolab.lab.throughput.Crossing;
import dev.virtiolab.lab.throughput.HalfCrossing;
import dev.virtiolab.lab.throughput.Iperf3;
import dev.virtiolab.lab.throughput.IperfResult;
import dev.virtiolab.lab.throughput.PathReport;
import dev.virtiolab.net.BackendSpec;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code vlab iperf}. */
@Command(
    name = "iperf",
    description = {
      "Measures what the emulated NIC carries, with the system's iperf3.",
      "The client is in one network namespace, the server in another; between them are a TAP, the"
          + " NIC, its driver's Simple Network Protocol in the guest, and a second TAP. The client"
          + " sends, that is towards the guest, unless it is told otherwise. Exit code 0 if iperf3"
          + " came to its end, 1 if not, 2 if it was asked for what cannot be.",
      "Where --backend leads to another process, a stream, dgram or vxlan, each of two labs has one"
          + " end: vlab iperf --server keeps the server, behind its guest's driver and a TAP, and"
          + " vlab iperf on the other side runs the client behind its own. The server runs until"
          + " Ctrl-C, and its kernel answers ping as well, vlab ping's among them."
    })
final class IperfCommand implements Callable<Integer> {
  private static final String SERVER_ADDRESS = "192.0.2.2";
  private static final String CLIENT_ADDRESS = "192.0.2.3";
  private static final int DEFAULT_PORT = 5201;
  private static final int MAX_PORT = 65_535;
  private static final int DEFAULT_PATIENCE_SECONDS = 30;
  private static final int MAX_PATIENCE_SECONDS = 86_400;

  @Spec private CommandSpec spec;

  @Mixin private MachineOptions machine;

  @Mixin private WireOptions wire;

  @Option(
      names = {"-t", "--time"},
      paramLabel = "SECONDS",
      description = "how long to send (iperf3's default: 10)")
  private String time;

  @Option(
      names = {"-u", "--udp"},
      description = "UDP, at the rate that -b gives after -- (iperf3's default: 1 Mbit/s)")
  private boolean udp;

  @Option(
      names = {"-R", "--reverse"},
      description = "the server sends: from the guest to the NIC's TAP")
  private boolean reverse;

  @Option(names = "--bidir", description = "both send at the same time")
  private boolean bidir;

  @Option(
      names = {"-p", "--port"},
      paramLabel = "N",
      description = "where the server listens, for both ends (iperf3's default: 5201)")
  private Integer port;

  @Option(
      names = "--server",
      description =
          "where the wire leads to another process: be the server, for any number of clients one"
              + " after the other")
  private boolean server;

  @Option(names = "--one-off", description = "with --server: end after one client, in order")
  private boolean oneOff;

  @Option(
      names = "--to",
      paramLabel = "ADDRESS",
      description =
          "the server's where the wire leads to another process (default: " + SERVER_ADDRESS + ")")
  private String to;

  @Option(
      names = "--guest-address",
      paramLabel = "ADDRESS",
      description =
          "of the kernel behind this guest where the wire leads to another process (default: of a"
              + " server "
              + SERVER_ADDRESS
              + ", of a client "
              + CLIENT_ADDRESS
              + ")")
  private String guestAddress;

  @Option(
      names = "--here",
      description =
          "where the wire leads to another process: put iperf3 and its TAP into the present network"
              + " namespace, for which CAP_NET_ADMIN suffices, as in a container, instead of into"
              + " one of its own, for which CAP_SYS_ADMIN or a user namespace is needed")
  private boolean here;

  @Option(
      names = "--patience",
      paramLabel = "SECONDS",
      description =
          "how long the client bears to hear nothing of the other process (default: 30), and the"
              + " server of a client in the middle of a test, before it starts over; a stream"
              + " without a peer at most 10 s")
  private Integer patience;

  @Option(
      names = "--json",
      description =
          "print one JSON object, with iperf3's own in it; with --server one when it is ready and"
              + " one at the end")
  private boolean json;

  @Parameters(
      paramLabel = "IPERF3-OPTION",
      description = "after --, for this end's iperf3, such as -P 4 or -b 500M")
  private List<String> iperfOptions = List.of();

  /**
   * What {@code --json} prints.
   *
   * @param iperf3 what the client printed; null of a server
   * @param vxlan what this end of a VXLAN segment did and dropped; null on other wires
   */
  record Report(
      JsonNode iperf3,
      PathReport path,
      TrafficReport traffic,
      Map<String, Long> vxlan,
      Optional<FaultReport> faults) {}

  /**
   * What {@code --server --json} prints once it listens.
   *
   * @param enter how to run a command where iperf3 is; empty where that is the present network
   */
  record Ready(long pid, String wire, String tap, String address, int port, String enter) {}

  @Override
  public Integer call() {
    Optional<BackendSpec> peer = PeerWire.specOf(wire.toConfig().backend());
    if (peer.isEmpty()) {
      return cross();
    }
    return server ? serve(peer.get()) : call(peer.get());
  }

  /** Both ends are here. */
  private int cross() {
    refuseWithoutPeer();
    MachineConfig config = machine.toConfig();
    OptionalInt serverPort = checkPort();
    List<String> arguments = clientArguments();
    Iperf3.require();
    Segment.Wire plugged = wire.toSingleConfig();
    try (MetricsDoor metrics = wire.openMetrics()) {
      metrics.enterNamespace();
      return cross(config, plugged, serverPort, arguments, metrics);
    }
  }

  private int cross(
      MachineConfig config,
      Segment.Wire plugged,
      OptionalInt serverPort,
      List<String> arguments,
      MetricsDoor metrics) {
    IperfResult result;
    PathReport path;
    TrafficReport traffic;
    Optional<FaultReport> faults;
    try (Crossing crossing = Crossing.open(config, plugged, serverPort);
        MetricsDoor shown = metrics) {
      shown.show(crossing.machine(), crossing.wireFaults(), spec.commandLine().getErr());
      result = crossing.run(arguments, screen());
      path = crossing.path();
      traffic = crossing.traffic();
      faults = crossing.faults();
    }
    return tell(result, path, traffic, null, List.of(), faults);
  }

  /** The server is behind another lab's guest. */
  private int call(BackendSpec peer) {
    if (oneOff) {
      throw LabException.usage("--one-off is a server's: give --server, too");
    }
    MachineConfig config = machine.toConfig(MachineConfig.SECOND_MAC);
    checkPort();
    Ipv4Address target = address("--to", to, SERVER_ADDRESS);
    Ipv4Address own = address("--guest-address", guestAddress, CLIENT_ADDRESS);
    if (own.equals(target)) {
      throw LabException.usage("--to and --guest-address are two addresses, not twice " + own);
    }
    Duration bearable = checkPatience();
    List<String> arguments = clientArguments();
    Iperf3.require();
    Segment.Wire plugged = wire.toSingleConfig();
    enterUserNamespace();
    IperfResult result;
    PathReport path;
    TrafficReport traffic;
    Map<String, Long> vxlan;
    List<String> wireLines;
    Optional<FaultReport> faults;
    try (MetricsDoor metrics = wire.openMetrics();
        HalfCrossing half = HalfCrossing.open(config, plugged, peer, own, here, true);
        MetricsDoor shown = metrics) {
      shown.show(half.machine(), half.wireFaults(), spec.commandLine().getErr());
      result = half.run(target, arguments, screen(), bearable);
      path = half.path();
      traffic = half.traffic();
      vxlan = half.vxlanTally();
      wireLines = half.describeWire();
      faults = half.faults();
    }
    return tell(result, path, traffic, vxlan, wireLines, faults);
  }

  /** The clients are behind other labs' guests. */
  private int serve(BackendSpec peer) {
    refuseOfServer();
    MachineConfig config = machine.toConfig();
    OptionalInt listenAt = checkPort();
    Ipv4Address own = address("--guest-address", guestAddress, SERVER_ADDRESS);
    List<String> arguments = checkedOptions();
    Duration bearable = checkPatience();
    Iperf3.require();
    Segment.Wire plugged = wire.toSingleConfig();
    enterUserNamespace();
    PathReport path;
    TrafficReport traffic;
    Map<String, Long> vxlan;
    List<String> wireLines;
    Optional<FaultReport> faults;
    try (MetricsDoor metrics = wire.openMetrics();
        HalfCrossing half = HalfCrossing.open(config, plugged, peer, own, here, false);
        MetricsDoor shown = metrics) {
      shown.show(half.machine(), half.wireFaults(), spec.commandLine().getErr());
      half.startServer(listenAt, oneOff, arguments, screen());
      sayReady(half, own);
      half.serve(bearable);
      path = half.path();
      traffic = half.traffic();
      vxlan = half.vxlanTally();
      wireLines = half.describeWire();
      faults = half.faults();
    }
    return tell(null, path, traffic, vxlan, wireLines, faults);
  }

  private void sayReady(HalfCrossing half, Ipv4Address own) {
    PrintWriter out = spec.commandLine().getOut();
    int listensAt = port == null ? DEFAULT_PORT : port;
    if (json) {
      out.println(
          Json.of(
              new Ready(
                  ProcessHandle.current().pid(),
                  half.wire(),
                  half.tapName(),
                  own.toString(),
                  listensAt,
                  half.enter())));
    } else {
      out.printf(
          "iperf3 listens at %s port %d, behind %s, the guest's driver, the NIC and %s%n",
          own, listensAt, half.tapName(), half.wire());
      if (!half.enter().isEmpty()) {
        out.printf("enter its network:  %s COMMAND%n", half.enter());
      }
      out.println("Ctrl-C ends it.");
    }
    out.flush();
  }

  private int tell(
      IperfResult result,
      PathReport path,
      TrafficReport traffic,
      Map<String, Long> vxlan,
      List<String> wireLines,
      Optional<FaultReport> faults) {
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      JsonNode measured = result == null ? null : understand(result);
      out.println(Json.of(new Report(measured, path, traffic, vxlan, faults)));
    } else {
      out.println(path.describe());
      out.println(traffic.describe());
      wireLines.forEach(out::println);
      faults.map(FaultReport::describe).ifPresent(out::println);
    }
    out.flush();
    return result != null && result.interrupted() ? LabException.INTERRUPTED : 0;
  }

  private OutputStream screen() {
    return json ? OutputStream.nullOutputStream() : System.out;
  }

  /** What is said of two labs is not said of one. */
  private void refuseWithoutPeer() {
    Map<String, Boolean> given = new LinkedHashMap<>();
    given.put("--server", server);
    given.put("--one-off", oneOff);
    given.put("--to", to != null);
    given.put("--guest-address", guestAddress != null);
    given.put("--here", here);
    given.put("--patience", patience != null);
    refuse(
        given,
        " is for a wire to another process, and --backend "
            + wire.toConfig().backend()
            + " leads to none: it takes stream, dgram or vxlan");
  }

  private void refuseOfServer() {
    Map<String, Boolean> given = new LinkedHashMap<>();
    given.put("--time", time != null);
    given.put("--udp", udp);
    given.put("--reverse", reverse);
    given.put("--bidir", bidir);
    given.put("--to", to != null);
    refuse(given, " is the client's to say, not the server's");
  }

  private static void refuse(Map<String, Boolean> given, String why) {
    given.forEach(
        (option, present) -> {
          if (present) {
            throw LabException.usage(option + why);
          }
        });
  }

  private void enterUserNamespace() {
    if (!here) {
      NetworkNamespace.enterUserNamespace();
    }
  }

  private static Ipv4Address address(String option, String said, String usual) {
    return WireOptions.address(option, said == null ? usual : said);
  }

  private Duration checkPatience() {
    int seconds = patience == null ? DEFAULT_PATIENCE_SECONDS : patience;
    if (seconds < 1 || seconds > MAX_PATIENCE_SECONDS) {
      throw LabException.usage(
          "--patience is from 1 to " + MAX_PATIENCE_SECONDS + ", not " + seconds);
    }
    return Duration.ofSeconds(seconds);
  }

  private OptionalInt checkPort() {
    if (port == null) {
      return OptionalInt.empty();
    }
    if (port < 1 || port > MAX_PORT) {
      throw LabException.usage("--port is from 1 to " + MAX_PORT + ", not " + port);
    }
    return OptionalInt.of(port);
  }

  private List<String> clientArguments() {
    List<String> arguments = new ArrayList<>();
    if (time != null) {
      arguments.addAll(List.of("-t", time));
    }
    if (udp) {
      arguments.add("-u");
    }
    if (reverse) {
      arguments.add("-R");
    }
    if (bidir) {
      arguments.add("--bidir");
    }
    if (port != null) {
      arguments.addAll(List.of("-p", port.toString()));
    }
    if (json) {
      arguments.add("-J");
    }
    arguments.addAll(checkedOptions());
    return arguments;
  }

  private List<String> checkedOptions() {
    for (String option : iperfOptions) {
      if (option.matches("-p\\d*|--port(=.*)?")) {
        throw LabException.usage(
            "both ends have to know the port: give --port before the --, not " + option);
      }
    }
    return iperfOptions;
  }

  private static JsonNode understand(IperfResult result) {
    if (result.interrupted() && result.output().isBlank()) {
      throw LabException.interrupted();
    }
    try {
      return JsonMapper.shared().readTree(result.output());
    } catch (JacksonException e) {
      String first = result.output().lines().findFirst().orElse("nothing");
      throw LabException.failure("iperf3 printed no JSON but: " + first, e);
    }
  }
}
