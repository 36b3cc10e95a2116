package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.host.NetworkNamespace;
import dev.virtiolab.lab.segment.FaultReport;
import dev.virtiolab.lab.segment.NicWire;
import dev.virtiolab.lab.segment.Segment;
import dev.virtiolab.lab.serve.ServeConfig;
import dev.virtiolab.lab.serve.Service;
import dev.virtiolab.lab.serve.VfioUserService;
import java.io.PrintWriter;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code vlab serve}. */
@Command(
    name = "serve",
    description = {
      "Hands the NIC to a hypervisor or a driver in another process, until Ctrl-C. Clients may come"
          + " and go, one at a time; one process serves one socket.",
      "A TAP is in a network namespace of its own, which it says how to enter."
    })
final class ServeCommand implements Callable<Integer> {

  /** By which protocol; one of them. */
  static final class Door {
    @Option(
        names = "--vfio-user",
        paramLabel = "SOCK",
        required = true,
        description = {
          "the whole PCI function, by vfio-user at this unix socket. For QEMU 10.1 or later:",
          "  -object memory-backend-memfd,id=m,size=1G,share=on -machine q35,memory-backend=m",
          "  -device '{\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":\"unix\",\"path\":\"SOCK\"}}'"
        })
    private String vfioUser;

    @Option(
        names = "--vhost-user",
        paramLabel = "SOCK",
        required = true,
        description = "its queues, by vhost-user at this unix socket")
    private String vhostUser;
  }

  @Spec private CommandSpec spec;

  @ArgGroup(multiplicity = "1")
  private Door door;

  @Option(
      names = "--mac",
      paramLabel = "ADDRESS",
      defaultValue = MachineConfig.DEFAULT_MAC,
      description = "the NIC's Ethernet address (default: ${DEFAULT-VALUE})")
  private String mac;

  @Option(names = "--mtu", paramLabel = "BYTES", description = MachineOptions.MTU_DESCRIPTION)
  private Integer mtu;

  @Option(
      names = "--allow-unsealed",
      description =
          "take the client's memory also where it does not bear F_SEAL_SHRINK, as memory on hugetlbfs"
              + " does not: a client that shrinks it ends this process")
  private boolean allowUnsealed;

  @Option(
      names = "--slot",
      paramLabel = "root-bus|root-port",
      defaultValue = "root-bus",
      description =
          "by vfio-user: whether it is a conventional function, or a PCI Express one, to be plugged"
              + " into a root port (default: ${DEFAULT-VALUE})")
  private String slot;

  @Mixin private WireOptions wire;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "whatever is drawn by chance follows from this number")
  private Long seed;

  @Option(
      names = "--here",
      description =
          "put the TAP into the present network namespace, for which the right to administer it is"
              + " needed, instead of into one of its own")
  private boolean here;

  @Option(names = "--json", description = "say in one JSON object what is served, and where")
  private boolean json;

  @Option(names = "--platform", hidden = true)
  private String platform;

  /** What {@code --json} prints once a client can come. */
  record Report(
      long pid,
      String protocol,
      String socket,
      String mac,
      String wire,
      String hostAddress,
      String enter) {}

  @Override
  public Integer call() {
    if (platform != null) {
      throw LabException.usage(
          "--platform: the hypervisor that comes is the platform; serve has none of its own");
    }
    Segment.Wire asked = wire.toConfig();
    wire.refuseForServe();
    OptionalLong chance = seed == null ? OptionalLong.empty() : OptionalLong.of(seed);
    ServeConfig config =
        new ServeConfig(
            door.vfioUser != null ? door.vfioUser : door.vhostUser,
            MachineOptions.mac(mac),
            MachineOptions.mtu(mtu),
            allowUnsealed);
    boolean ownNetwork = NicWire.isTap(asked.backend()) && !here;
    if (ownNetwork) {
      NetworkNamespace.enter();
    }
    try (NicWire plugged = NicWire.open(asked, config.mtu(), chance);
        Service service = open(config, plugged)) {
      announce(config, plugged, ownNetwork);
      service.runUntilInterrupted();
      if (!json) {
        PrintWriter out = spec.commandLine().getOut();
        service.report().forEach(out::println);
        plugged.faults().map(FaultReport::describe).ifPresent(out::println);
        out.flush();
      }
    }
    return 0;
  }

  private Service open(ServeConfig config, NicWire wire) {
    return door.vfioUser != null ? openVfioUser(config, wire) : openVhostUser(config, wire);
  }

  private Service openVfioUser(ServeConfig config, NicWire wire) {
    return VfioUserService.open(config, MachineOptions.slot(slot), wire.end());
  }

  private static Service openVhostUser(ServeConfig config, NicWire wire) {
    throw LabException.failure("vhost-user is not there yet: " + config.socket() + wire.name());
  }

  private void announce(ServeConfig config, NicWire wire, boolean ownNetwork) {
    Report report =
        new Report(
            ProcessHandle.current().pid(),
            door.vfioUser != null ? "vfio-user" : "vhost-user",
            config.socket(),
            config.mac().toString(),
            wire.name(),
            wire.hostAddress(),
            ownNetwork ? NetworkNamespace.enterCommand() : "");
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(Json.of(report));
    } else {
      out.printf(
          "%s at %s: %s behind %s%s%n",
          report.protocol(),
          report.socket(),
          report.mac(),
          report.wire(),
          report.hostAddress().isEmpty() ? "" : " (" + report.hostAddress() + ")");
      if (ownNetwork) {
        out.printf("enter its network:  %s COMMAND%n", report.enter());
      }
      out.println("Ctrl-C ends it.");
    }
    out.flush();
  }
}
