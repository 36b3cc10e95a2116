package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.net.fault.FaultSpec;
import dev.virtiolab.net.fault.FaultSpecException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Option;

/** What befalls frames on a wire and who watches: with a NIC on it, or a switch's first port. */
final class WatchOptions {
  @Option(
      names = "--pcap",
      paramLabel = "FILE",
      description =
          "write every frame, both ways, to a pcapng file; of a switch, those of its first port")
  private Path pcap;

  @Option(
      names = "--fault",
      paramLabel = "FAULTS",
      description = {
        "what befalls frames on the wire, both ways, or from (out:) or to (in:) the guest where it"
            + " is said; given again, what is said last holds. With a switch it is the first"
            + " port's wire, out: to it and in: from it. Faults are",
        FaultSpec.FORMS,
        "Chance follows from --seed. reorder holds a frame back, by default for 10 ms, so that later"
            + " ones pass; at most limit frames (default: 1000) and 8 MiB are under way."
      })
  private List<String> faults = List.of();

  @Option(
      names = "--metrics",
      paramLabel = "[HOST:]PORT",
      description =
          "serve what device, guest, platform and wire count, or a switch's ports, in Prometheus'"
              + " text format, at http://HOST:PORT/metrics, and say so on standard error; port 0 is"
              + " any that is free (default host: 127.0.0.1, of the network that vlab was started"
              + " in)")
  private String metrics;

  Optional<Path> capture() {
    return Optional.ofNullable(pcap);
  }

  boolean wantsMetrics() {
    return metrics != null;
  }

  /**
   * Listens for who wants to read metrics, if the user wants that.
   *
   * @throws LabException if it cannot be
   */
  MetricsDoor openMetrics() {
    return MetricsDoor.open(metrics);
  }

  /**
   * @throws LabException if they cannot be read
   */
  FaultSpec faults() {
    try {
      return FaultSpec.parse(faults);
    } catch (FaultSpecException e) {
      throw LabException.usage(e.getMessage(), e);
    }
  }
}
