package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.TrafficReport;
import dev.virtiolab.lab.segment.FaultReport;
import dev.virtiolab.lab.segment.Segment;
import dev.virtiolab.lab.throughput.Crossing;
import dev.virtiolab.lab.throughput.Iperf3;
import dev.virtiolab.lab.throughput.IperfResult;
import dev.virtiolab.lab.throughput.PathReport;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
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
          + " came to its end, 1 if not, 2 if it was asked for what cannot be."
    })
final class IperfCommand implements Callable<Integer> {
  private static final int MAX_PORT = 65_535;

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

  @Option(names = "--json", description = "print one JSON object, with iperf3's own in it")
  private boolean json;

  @Parameters(
      paramLabel = "IPERF3-OPTION",
      description = "after --, for the iperf3 client, such as -P 4 or -b 500M")
  private List<String> iperfOptions = List.of();

  /** What {@code --json} prints. */
  record Report(
      JsonNode iperf3, PathReport path, TrafficReport traffic, Optional<FaultReport> faults) {}

  @Override
  public Integer call() {
    MachineConfig config = machine.toConfig();
    OptionalInt serverPort = checkPort();
    List<String> arguments = arguments();
    Iperf3.require();
    Segment.Wire plugged = wire.toSingleConfig();
    try (MetricsDoor metrics = wire.openMetrics()) {
      metrics.enterNamespace();
      return run(config, plugged, serverPort, arguments, metrics);
    }
  }

  private int run(
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
      OutputStream screen = json ? OutputStream.nullOutputStream() : System.out;
      result = crossing.run(arguments, screen);
      path = crossing.path();
      traffic = crossing.traffic();
      faults = crossing.faults();
    }
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      JsonNode measured = understand(result);
      out.println(Json.of(new Report(measured, path, traffic, faults)));
    } else {
      out.println(path.describe());
      out.println(traffic.describe());
      faults.map(FaultReport::describe).ifPresent(out::println);
    }
    out.flush();
    return result.interrupted() ? LabException.INTERRUPTED : 0;
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

  private List<String> arguments() {
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
    for (String option : iperfOptions) {
      if (option.matches("-p\\d*|--port(=.*)?")) {
        throw LabException.usage(
            "both ends have to know the port: give --port before the --, not " + option);
      }
      arguments.add(option);
    }
    return arguments;
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
