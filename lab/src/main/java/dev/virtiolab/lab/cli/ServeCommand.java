package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.MachineConfig.Slot;
import dev.virtiolab.lab.host.NetworkNamespace;
import dev.virtiolab.lab.metrics.ServiceMetrics;
import dev.virtiolab.lab.segment.FaultReport;
import dev.virtiolab.lab.segment.NicWire;
import dev.virtiolab.lab.segment.Segment;
import dev.virtiolab.lab.segment.WireFaults;
import dev.virtiolab.lab.serve.RoundTripWire;
import dev.virtiolab.lab.serve.ServeConfig;
import dev.virtiolab.lab.serve.Service;
import dev.virtiolab.lab.serve.VfioUserService;
import dev.virtiolab.lab.serve.VhostUserService;
import dev.virtiolab.net.SourceBackend;
import dev.virtiolab.virtio.net.VirtioNet;
import dev.virtiolab.virtio.transport.DeviceKind;
import java.io.PrintWriter;
import java.util.List;
import java.util.Optional;
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
        description = {
          "its queues, by vhost-user at this unix socket. For QEMU:",
          "  -object memory-backend-memfd,id=m,size=1G,share=on -numa node,memdev=m"
              + " -chardev socket,id=c,path=SOCK -netdev vhost-user,id=n,chardev=c"
              + " -device virtio-net-pci,netdev=n",
          "for DPDK: --allow-unsealed here, and there",
          "  --single-file-segments --vdev net_virtio_user0,path=SOCK"
        })
    private String vhostUser;
  }

  /** What fits in the buffers of every driver. */
  private static final int LONGEST_ROUND_TRIP = 1514;

  private static final byte[] OTHER_END = {2, 0, 0, 0, 0, 1};

  @Spec private CommandSpec spec;

  @ArgGroup(multiplicity = "1")
  private Door door;

  @Option(
      names = "--client",
      description =
          "with --vhost-user: connect to who listens at the socket, again and again when it is gone,"
              + " instead of listening there (QEMU: -chardev socket,...,server=on)")
  private boolean client;

  @Option(
      names = "--round-trips",
      paramLabel = "N",
      description = {
        "with --vhost-user: instead of a wire, N numbered frames for a driver that sends them back"
            + " (dpdk-testpmd does, once it is started). Each number is held against the one that is"
            + " due. Ends with the last, and says how many frames a second that were."
      })
  private Long roundTrips;

  @Option(
      names = "--size",
      paramLabel = "BYTES",
      defaultValue = "64",
      description = "of each frame of --round-trips (default: ${DEFAULT-VALUE})")
  private int size;

  @Option(
      names = "--mac",
      paramLabel = "ADDRESS",
      defaultValue = MachineConfig.DEFAULT_MAC,
      description = "the NIC's Ethernet address (default: ${DEFAULT-VALUE})")
  private String mac;

  @Option(names = "--mtu", paramLabel = "BYTES", description = MachineOptions.MTU_DESCRIPTION)
  private Integer mtu;

  @Option(
      names = "--feature",
      paramLabel = FeatureWords.LABEL,
      parameterConsumer = FeatureWords.Consumer.class,
      description = FeatureWords.DESCRIPTION)
  private String features;

  @Option(
      names = "--queues",
      paramLabel = "N",
      defaultValue = "1",
      description = {
        "pairs of queues, 1 to 16, for as many processors of the guest (default: ${DEFAULT-VALUE})."
            + " More than one needs a TAP, which has as many queues then, and no other --backend,"
            + " --fault or --pcap. Linux uses what it has processors for; ethtool -L says how many."
            + " With --vhost-user, for QEMU: -netdev vhost-user,...,queues=N -device"
            + " virtio-net-pci,...,mq=on,vectors=2N+2"
      })
  private int queues;

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

  @Option(
      names = "--virtio",
      paramLabel = VirtioWord.LABEL,
      defaultValue = VirtioWord.DEFAULT,
      description = {"by vfio-user: " + VirtioWord.DESCRIPTION})
  private String virtio;

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
      int queues,
      String hostAddress,
      String enter) {}

  /** What {@code --json} prints at the end of round trips. */
  record RoundTrips(long frames, long returned, int size, double framesPerSecond, String wrong) {}

  @Override
  public Integer call() {
    if (platform != null) {
      throw LabException.usage(
          "--platform: the hypervisor that comes is the platform; serve has none of its own");
    }
    if (client && door.vhostUser == null) {
      throw LabException.usage("--client goes with --vhost-user; by vfio-user the device listens");
    }
    if (queues < 1 || queues > VirtioNet.MAX_PAIRS) {
      throw LabException.usage("--queues is from 1 to " + VirtioNet.MAX_PAIRS + ", not " + queues);
    }
    Segment.Wire asked = wire.toConfig();
    wire.refuseForServe();
    OptionalLong chance = seed == null ? OptionalLong.empty() : OptionalLong.of(seed);
    ServeConfig config =
        new ServeConfig(
                door.vfioUser != null ? door.vfioUser : door.vhostUser,
                MachineOptions.mac(mac),
                MachineOptions.mtu(mtu),
                allowUnsealed)
            .withFeatures(FeatureWords.parse(features))
            .withKind(kind());
    if (roundTrips != null) {
      return runRoundTrips(config);
    }
    boolean ownNetwork = NicWire.isTap(asked.backend()) && !here;
    try (MetricsDoor metrics = wire.openMetrics()) {
      if (ownNetwork) {
        metrics.enterNamespace();
      }
      serve(config, asked, chance, ownNetwork, metrics);
    }
    return 0;
  }

  private void serve(
      ServeConfig config,
      Segment.Wire asked,
      OptionalLong chance,
      boolean ownNetwork,
      MetricsDoor metrics) {
    try (NicWire plugged = NicWire.open(asked, queues, config.mtu(), chance);
        Service service = open(config, plugged);
        MetricsDoor shown = metrics) {
      shown.show(
          ServiceMetrics.of(service, plugged.ends(), plugged.wireFaults().map(WireFaults::backend)),
          spec.commandLine().getErr());
      announce(config, plugged.name(), plugged.hostAddress(), ownNetwork);
      service.runUntilInterrupted();
      if (!json) {
        PrintWriter out = spec.commandLine().getOut();
        service.report().forEach(out::println);
        plugged.faults().map(FaultReport::describe).ifPresent(out::println);
        out.flush();
      }
    }
  }

  private DeviceKind kind() {
    DeviceKind kind = VirtioWord.parse(virtio);
    if (kind.isLegacy() && door.vfioUser == null) {
      throw LabException.usage(
          "--virtio goes with --vfio-user; by vhost-user the PCI function is the hypervisor's");
    }
    if (!kind.isModern() && MachineOptions.slot(slot) == Slot.ROOT_PORT) {
      throw LabException.usage(
          "--virtio legacy needs --slot root-bus: a legacy device is no PCI Express function");
    }
    return kind;
  }

  private Service open(ServeConfig config, NicWire wire) {
    return door.vfioUser != null ? openVfioUser(config, wire) : openVhostUser(config, wire);
  }

  private Service openVfioUser(ServeConfig config, NicWire wire) {
    return VfioUserService.open(config, MachineOptions.slot(slot), wire.ends());
  }

  private Service openVhostUser(ServeConfig config, NicWire wire) {
    return VhostUserService.open(config, wire.ends(), client);
  }

  private int runRoundTrips(ServeConfig config) {
    if (door.vhostUser == null || !wire.isDefault() || queues > 1) {
      throw LabException.usage(
          "--round-trips goes with --vhost-user, and without --backend or --queues");
    }
    if (roundTrips < 1 || size < SourceBackend.MIN_FRAME || size > LONGEST_ROUND_TRIP) {
      throw LabException.usage(
          "--round-trips is 1 or more, of a --size from %d to %d"
              .formatted(SourceBackend.MIN_FRAME, LONGEST_ROUND_TRIP));
    }
    ProgressLine progress = ProgressLine.onStandardError();
    try (MetricsDoor metrics = wire.openMetrics();
        RoundTripWire frames = new RoundTripWire(config.macBytes(), OTHER_END, size, roundTrips);
        VhostUserService service = VhostUserService.open(config, List.of(frames), client);
        MetricsDoor shown = metrics) {
      shown.show(
          ServiceMetrics.of(service, List.of(frames), Optional.empty()),
          spec.commandLine().getErr());
      announce(config, "numbered frames", "", false);
      service.runUntil(
          () -> {
            progress.show("%,d of %,d frames".formatted(frames.returned(), roundTrips));
            return frames.isOver();
          });
      progress.clear();
      sayRoundTrips(frames);
      return frames.returned() == roundTrips ? 0 : LabException.FAILURE;
    }
  }

  private void sayRoundTrips(RoundTripWire frames) {
    boolean all = frames.returned() == roundTrips;
    double perSecond = all ? roundTrips / Math.max(frames.seconds(), 1e-9) : 0;
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(
          Json.of(new RoundTrips(roundTrips, frames.returned(), size, perSecond, frames.wrong())));
    } else if (all) {
      out.printf(
          "%,d frames of %d bytes there and back, each in its place, in %.2f s: %.2f million a"
              + " second%n",
          roundTrips, size, frames.seconds(), perSecond / 1e6);
    } else {
      out.printf(
          "%,d of %,d frames came back%s%n",
          frames.returned(), roundTrips, frames.wrong().isEmpty() ? "" : "; " + frames.wrong());
    }
    out.flush();
  }

  private void announce(
      ServeConfig config, String wireName, String hostAddress, boolean ownNetwork) {
    Report report =
        new Report(
            ProcessHandle.current().pid(),
            door.vfioUser != null ? "vfio-user" : "vhost-user",
            config.socket(),
            config.mac().toString(),
            wireName,
            queues,
            hostAddress,
            ownNetwork ? NetworkNamespace.enterCommand() : "");
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(Json.of(report));
    } else {
      out.printf(
          "%s at %s: %s behind %s%s%s%n",
          report.protocol(),
          report.socket(),
          report.mac(),
          report.wire(),
          report.hostAddress().isEmpty() ? "" : " (" + report.hostAddress() + ")",
          queues == 1 ? "" : ", " + queues + " pairs of queues");
      if (ownNetwork) {
        out.printf("enter its network:  %s COMMAND%n", report.enter());
      }
      out.println("Ctrl-C ends it.");
    }
    out.flush();
  }
}
