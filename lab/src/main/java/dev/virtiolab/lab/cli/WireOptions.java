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

  Segment.Wire toConfig() {
    return new Segment.Wire(backend, Optional.ofNullable(pcap));
  }
}
