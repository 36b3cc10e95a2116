package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.segment.Segment;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/** What the NIC is plugged into: the options of every command that runs traffic. */
final class WireOptions {

  @Option(
      names = "--backend",
      paramLabel = "tap[:NAME]",
      defaultValue = "tap",
      description = "the wire behind the NIC (default: ${DEFAULT-VALUE})")
  private String backend;

  @Option(
      names = "--pcap",
      paramLabel = "FILE",
      description = "write every frame, both ways, to a pcapng file")
  private Path pcap;

  @Option(
      names = "--trace",
      paramLabel = "FILE",
      description =
          "write a timeline of kicks, descriptor chains, mappings, C-bit flips and faults; open it"
              + " with https://ui.perfetto.dev or chrome://tracing")
  private Path trace;

  Segment.Wire toConfig() {
    return new Segment.Wire(backend, Optional.ofNullable(pcap), Optional.ofNullable(trace));
  }
}
