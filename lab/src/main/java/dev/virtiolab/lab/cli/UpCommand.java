package dev.virtiolab.lab.cli;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.stack.tcp.TcpEcho;
import dev.virtiolab.lab.GuestMachine;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.host.NetworkNamespace;
import dev.virtiolab.lab.segment.FaultReport;
import dev.virtiolab.lab.segment.PeerSegment;
import dev.virtiolab.lab.segment.PeerWire;
import dev.virtiolab.lab.segment.Segment;
import dev.virtiolab.net.BackendSpec;
import java.io.PrintWriter;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code vlab up}. */
@Command(
    name = "up",
    description = {
      "Keeps a guest running behind the NIC and a TAP until Ctrl-C, for tcpdump and other programs.",
      "The TAP is in a network namespace of its own, which it says how to enter. The guest answers ping."
    })
final class UpCommand implements Callable<Integer> {
  private static final int LARGEST_PORT = 0xffff;

  @Spec private CommandSpec spec;

  @Mixin private MachineOptions machine;

  @Mixin private WireOptions wire;

  @Mixin private DeviceOptions device;

  @Option(
      names = "--here",
      description =
          "put the TAP into the present network namespace, for which the right to administer it is"
              + " needed, instead of into one of its own")
  private boolean here;

  @Option(
      names = "--guest-address",
      paramLabel = "ADDRESS",
      defaultValue = "192.0.2.2",
      description =
          "of the guest where the wire leads to another process (default: ${DEFAULT-VALUE})")
  private String guestAddress;

  @Option(
      names = "--echo",
      paramLabel = "PORT",
      description =
          "have the guest send back what comes to this TCP port, for nc and other programs (default:"
              + " it listens nowhere)")
  private Integer echo;

  @Option(names = "--json", description = "say in one JSON object where the guest is")
  private boolean json;

  /** What {@code --json} prints once the guest answers. */
  record Report(long pid, String tap, String hostAddress, String guestAddress, String enter) {}

  /** What {@code --json} prints where the wire leads to another process. */
  record PeerReport(long pid, String wire, String guestAddress) {}

  @Override
  public Integer call() {
    if (echo != null && (echo < 1 || echo > LARGEST_PORT)) {
      throw LabException.usage("--echo takes a port from 1 to " + LARGEST_PORT + ", not " + echo);
    }
    var config = machine.toConfig();
    Optional<BackendSpec> peer = PeerWire.specOf(wire.toConfig().backend());
    device.check(machine, wire);
    try (MetricsDoor metrics = wire.openMetrics()) {
      if (peer.isPresent()) {
        return runWithPeer(config, peer.get(), metrics);
      }
      if (!here) {
        metrics.enterNamespace();
      }
      return runOnTap(config, metrics);
    }
  }

  private int runOnTap(MachineConfig config, MetricsDoor metrics) {
    PrintWriter out = spec.commandLine().getOut();
    try (Segment segment = Segment.open(config, wire.toConfig(), device.maker());
        MetricsDoor shown = metrics) {
      startEcho(segment.machine());
      shown.show(segment.machine(), segment.wireFaults(), spec.commandLine().getErr());
      Report report =
          new Report(
              ProcessHandle.current().pid(),
              segment.tapName(),
              segment.hostAddress(),
              segment.guestAddress(),
              here ? "" : NetworkNamespace.enterCommand());
      if (json) {
        out.println(Json.of(report));
      } else {
        out.printf(
            "guest %s behind %s (%s)%n", report.guestAddress(), report.tap(), report.hostAddress());
        if (!here) {
          out.printf("enter its network:  %s COMMAND%n", report.enter());
        }
        out.println("Ctrl-C ends it.");
      }
      out.flush();
      segment.runUntilInterrupted();
      if (!json) {
        out.println(segment.report().describe());
        segment.describePorts().forEach(out::println);
        segment.faults().map(FaultReport::describe).ifPresent(out::println);
        out.flush();
      }
    }
    return 0;
  }

  private int runWithPeer(MachineConfig config, BackendSpec peer, MetricsDoor metrics) {
    Ipv4Address own = WireOptions.address("--guest-address", guestAddress);
    PrintWriter out = spec.commandLine().getOut();
    try (PeerSegment segment =
            PeerSegment.open(config, wire.toSingleConfig(), peer, own, false, device.maker());
        MetricsDoor shown = metrics) {
      startEcho(segment.machine());
      shown.show(segment.machine(), segment.wireFaults(), spec.commandLine().getErr());
      PeerReport report =
          new PeerReport(ProcessHandle.current().pid(), segment.wire(), own.toString());
      if (json) {
        out.println(Json.of(report));
      } else {
        out.printf("guest %s behind %s%nCtrl-C ends it.%n", report.guestAddress(), report.wire());
      }
      out.flush();
      segment.runUntilInterrupted();
      if (!json) {
        out.println(segment.report().describe());
        segment.describeWire().forEach(out::println);
        segment.faults().map(FaultReport::describe).ifPresent(out::println);
        out.flush();
      }
    }
    return 0;
  }

  private void startEcho(GuestMachine machine) {
    if (echo == null) {
      return;
    }
    machine
        .guest()
        .ask(
            firmware -> {
              firmware.serve(new TcpEcho(firmware.tcp(), echo));
              return firmware;
            });
  }
}
