package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.LabException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/**
 * The words of {@code vlab bench parts}; the deed is the launcher's, since the benchmarks are no
 * part of the lab.
 */
@Command(
    name = "parts",
    description = {
      "Times the parts a frame passes through, with JMH: chain walk, encrypted page, map and unmap,"
          + " TAP write.",
      "Builds the benchmarks first. Bytes per operation are measured as well."
    })
final class BenchPartsCommand implements Callable<Integer> {

  @Parameters(
      paramLabel = "JMH-OPTION",
      description = "passed to JMH, such as -l, a name to pick benchmarks by, or -f 3")
  private List<String> jmhOptions = List.of();

  @Override
  public Integer call() {
    throw LabException.usage("these benchmarks are run by the launcher: ./vlab bench parts");
  }
}
