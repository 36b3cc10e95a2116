package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.Machine;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.lab.dump.ConfigDump;
import dev.virtiolab.lab.segment.Segment;
import dev.virtiolab.net.SinkBackend;
import dev.virtiolab.virtio.transport.RegisterMap;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code vlab dump}. */
@Command(
    name = "dump",
    description = {
      "Prints the NIC's config space, as lspci -xxxx does, and its registers, as a table.",
      "As they are when the machine is switched on, or once its firmware drives the NIC."
    })
final class DumpCommand implements Callable<Integer> {

  @Spec private CommandSpec spec;

  @Mixin private MachineOptions machine;

  @Option(
      names = "--at",
      paramLabel = "reset|boot",
      defaultValue = "reset",
      description = "when to look (default: ${DEFAULT-VALUE})")
  private String moment;

  @Option(names = "--json", description = "print one JSON object")
  private boolean json;

  /** What {@code --json} prints. */
  record Report(
      String slot,
      String config,
      List<ConfigDump.Field> header,
      List<ConfigDump.BaseAddress> baseAddresses,
      List<ConfigDump.Capability> capabilities,
      List<RegisterMap.Register> registers) {

    static Report of(Mainboard board) {
      ConfigDump config = new ConfigDump(board.nicAddress(), board.nicFunction());
      return new Report(
          board.nicAddress().toString(),
          config.hex(),
          config.header(),
          config.baseAddresses(),
          config.capabilities(),
          RegisterMap.of(board.nicFunction()));
    }
  }

  @Override
  public Integer call() {
    Report report = look(machine.toConfig());
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(Json.of(report));
    } else {
      print(report, out);
    }
    out.flush();
    return 0;
  }

  private Report look(MachineConfig config) {
    try (SinkBackend wire = new SinkBackend()) {
      switch (moment) {
        case "reset" -> {
          try (Mainboard board = new Mainboard(config, wire)) {
            return Report.of(board);
          }
        }
        case "boot" -> {
          try (Machine running = Machine.start(config, wire, Segment.GUEST_ADDRESS)) {
            return Report.of(running.board());
          }
        }
        default -> throw LabException.usage("--at is reset or boot, not " + moment);
      }
    }
  }

  private static void print(Report report, PrintWriter out) {
    out.print(report.config);
    out.printf("%nHeader%n");
    for (ConfigDump.Field field : report.header) {
      out.printf(
          Locale.ROOT,
          "  %02x  %-22s %s%n",
          field.offset(),
          field.name(),
          hex(field.value(), field.bytes()));
    }
    for (ConfigDump.BaseAddress bar : report.baseAddresses) {
      out.printf(
          Locale.ROOT,
          "  %02x  BAR %d  %-23s %d bytes, %s%n",
          0x10 + 4 * bar.index(),
          bar.index(),
          bar.type(),
          bar.bytes(),
          bar.address() < 0 ? "not decoded" : "at " + hex(bar.address(), 8));
    }
    out.printf("%nCapabilities%n");
    for (ConfigDump.Capability capability : report.capabilities) {
      out.printf(
          Locale.ROOT,
          "  %02x  %02x  %s%n",
          capability.offset(),
          capability.id(),
          capability.name());
    }
    int bar = -1;
    for (RegisterMap.Register register : report.registers) {
      if (register.bar() != bar) {
        bar = register.bar();
        out.printf("%nRegisters in BAR %d%n", bar);
      }
      out.printf(
          Locale.ROOT,
          "  %04x  %-7s %-28s %-17s %s%n",
          register.offset(),
          register.structure(),
          register.selected() < 0
              ? register.name()
              : register.name() + " (" + register.selected() + ")",
          register.access(),
          register.value() < 0 ? "-" : hex(register.value(), register.bytes()));
    }
  }

  private static String hex(long value, int bytes) {
    return String.format(Locale.ROOT, "%0" + 2 * bytes + "x", value);
  }
}
