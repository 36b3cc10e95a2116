package dev.virtiolab.lab.cli;

import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.segment.Segment;
import dev.virtiolab.net.BackendSpec;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What the NIC is plugged into: the options of every command that runs traffic. */
final class WireOptions {
  private static final String DEFAULT = "tap";

  @Option(
      names = "--backend",
      paramLabel = "tap[:NAME]",
      description = {
        "the wire behind the NIC (default: tap). Given again, a switch joins them, the"
            + " first a TAP, the others any of",
        BackendSpec.FORMS,
        "stream, dgram and vxlan lead to other processes; ping, iperf and up need no TAP on the wire"
            + " for them. Options of a stream are ,tls=DIR ,reconnect=SECONDS ,timeout=SECONDS.",
        "vxlan (RFC 7348) leads to the kernel's ip link add type vxlan, or to other labs: own"
            + " address, then the hosts of the segment, ,peer= again for each. A port is 4789, the"
            + " peers' that of this end, unless it is said (the kernel's own default is 8472). More"
            + " options: ,mac=ADDRESS@HOST for a station known beforehand, ,learning=off"
            + " ,ageing=SECONDS (300), ,table=STATIONS (4096), ,storm=FRAMES for everybody in a"
            + " second (10000; 0: any number). The MTU offered is what the way to the peers leaves:"
            + " 50 bytes less over IPv4, 70 over IPv6, but no more than 1500, unless --mtu says one: a"
            + " network with a larger MTU carries more, and what does not fit goes in fragments, which"
            + " are counted.",
        "The network namespace has ports of UDP and TCP of its own; a unix socket is seen from"
            + " outside."
      })
  private List<String> backends = List.of();

  @Option(
      names = "--trace",
      paramLabel = "FILE",
      description =
          "write a timeline of kicks, descriptor chains, mappings, C-bit flips and faults; open it"
              + " with https://ui.perfetto.dev or chrome://tracing")
  private Path trace;

  @Mixin private WatchOptions watch;

  /** Whether the user left the wire to the command. */
  boolean isDefault() {
    return backends.isEmpty();
  }

  Segment.Wire toConfig() {
    return new Segment.Wire(
        isDefault() ? DEFAULT : backends.getFirst(),
        isDefault() ? List.of() : backends.subList(1, backends.size()),
        watch.capture(),
        Optional.ofNullable(trace),
        watch.faults());
  }

  /**
   * Listens for who wants to read metrics, if the user wants that.
   *
   * @throws LabException if it cannot be
   */
  MetricsDoor openMetrics() {
    return watch.openMetrics();
  }

  /**
   * Refuses what needs a machine of the lab's own.
   *
   * @throws LabException if it was asked for
   */
  void refuseForServe() {
    if (trace != null) {
      throw LabException.usage(
          "--trace is of a machine that runs here; what serve hands out runs elsewhere");
    }
  }

  /**
   * Refuses what nobody sees of a device of QEMU's.
   *
   * @throws LabException if it was asked for
   */
  void refuseForQemu() {
    if (trace != null || watch.wantsMetrics()) {
      throw LabException.usage(
          (trace != null ? "--trace" : "--metrics")
              + " is of the device java; what QEMU's does is not seen from here");
    }
  }

  /**
   * Reads an address.
   *
   * @throws LabException if it is none
   */
  static Ipv4Address address(String option, String text) {
    try {
      return Ipv4Address.parse(text);
    } catch (IllegalArgumentException e) {
      throw LabException.usage(option + ": " + e.getMessage(), e);
    }
  }

  /**
   * Of a command that has one wire of its own making.
   *
   * @throws LabException if there are more
   */
  Segment.Wire toSingleConfig() {
    if (backends.size() > 1) {
      throw LabException.usage("here --backend is given once: " + String.join(", ", backends));
    }
    return toConfig();
  }
}
