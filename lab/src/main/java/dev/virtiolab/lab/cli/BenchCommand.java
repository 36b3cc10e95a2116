package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.LabException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code vlab bench}: each suite is a command of its own below this one. */
@Command(
    name = "bench",
    description = "Measures. A suite is a command of its own: see vlab bench SUITE --help.",
    synopsisSubcommandLabel = "SUITE",
    subcommands = {BenchPpsCommand.class, BenchPartsCommand.class})
final class BenchCommand implements Callable<Integer> {

  @Spec private CommandSpec spec;

  /** What is no suite arrives here. */
  @Parameters(arity = "0..1", hidden = true)
  private String suite;

  @Override
  public Integer call() {
    String suites = String.join(" and ", spec.subcommands().keySet());
    if (suite != null) {
      throw LabException.usage("there is no suite " + suite + "; there are " + suites);
    }
    spec.commandLine().usage(spec.commandLine().getOut());
    return 0;
  }
}
