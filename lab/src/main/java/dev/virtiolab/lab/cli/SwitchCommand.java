package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.metrics.SwitchMetrics;
import dev.virtiolab.lab.segment.FaultReport;
import dev.virtiolab.lab.segment.Segment;
import dev.virtiolab.lab.segment.WireSwitch;
import dev.virtiolab.net.BackendSpec;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code vlab switch}. */
@Command(
    name = "switch",
    description = {
      "Joins wires by a learning switch, without a NIC and without a guest, until Ctrl-C.",
      "TAPs are in the present network namespace, up and without an address, so that a script can"
          + " make them ports of a kernel's bridge. What a port cannot take is dropped and counted;"
          + " there is no spanning tree."
    })
final class SwitchCommand implements Callable<Integer> {

  @Spec private CommandSpec spec;

  @Option(
      names = "--backend",
      paramLabel = "WIRE",
      required = true,
      description = {
        "what to join, given twice or more: any of",
        BackendSpec.FORMS,
        "but loopback; the options of each are those of vlab ping --help"
      })
  private List<String> backends = List.of();

  @Option(
      names = "--mtu",
      paramLabel = "BYTES",
      description = "of the TAPs (default: what the other wires take, 1500 at most)")
  private Integer mtu;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "whatever is drawn by chance follows from this number")
  private Long seed;

  @Mixin private WatchOptions watch;

  @Option(
      names = "--json",
      description = "print one JSON object when the wires are joined, and one at the end")
  private boolean json;

  /** What {@code --json} prints once the wires are joined. */
  record Ready(long pid, List<WireSwitch.Port> ports) {}

  /** What {@code --json} prints at the end. */
  record Report(List<WireSwitch.Crossed> ports, Optional<FaultReport> faults) {}

  @Override
  public Integer call() {
    Segment.Wire wire =
        new Segment.Wire(
            backends.getFirst(),
            backends.subList(1, backends.size()),
            watch.capture(),
            Optional.<Path>empty(),
            watch.faults());
    OptionalInt tapMtu = checkMtu();
    OptionalLong chance = seed == null ? OptionalLong.empty() : OptionalLong.of(seed);
    try (MetricsDoor metrics = watch.openMetrics();
        WireSwitch joined = WireSwitch.open(wire, tapMtu, chance);
        MetricsDoor shown = metrics) {
      shown.show(SwitchMetrics.of(joined), spec.commandLine().getErr());
      sayReady(joined);
      joined.runUntilInterrupted();
      sayWhatCrossed(joined);
    }
    return 0;
  }

  private void sayReady(WireSwitch joined) {
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(Json.of(new Ready(ProcessHandle.current().pid(), joined.ports())));
    } else {
      for (WireSwitch.Port port : joined.ports()) {
        out.printf("switch port %d, %s%n", port.number(), port.wire());
      }
      out.println("Ctrl-C ends it.");
    }
    out.flush();
  }

  private void sayWhatCrossed(WireSwitch joined) {
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(Json.of(new Report(joined.crossed(), joined.faults())));
    } else {
      joined.describePorts().forEach(out::println);
      joined.faults().map(FaultReport::describe).ifPresent(out::println);
    }
    out.flush();
  }

  private OptionalInt checkMtu() {
    if (mtu == null) {
      return OptionalInt.empty();
    }
    if (mtu < MachineOptions.MIN_MTU || mtu > Segment.LARGEST_MTU) {
      throw LabException.usage(
          "--mtu is from %d to %d, not %d"
              .formatted(MachineOptions.MIN_MTU, Segment.LARGEST_MTU, mtu));
    }
    return OptionalInt.of(mtu);
  }
}
