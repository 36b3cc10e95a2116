package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.LabException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * The words of {@code vlab soak}; the deed is the launcher's, since what it runs is no part of the
 * lab.
 */
@Command(
    name = "soak",
    description = {
      "Keeps seven guests under traffic and faults, and watches the process that they live in.",
      "Pings and TCP between guests and with the kernel, loss, reordering, pulled cables, partitions,"
          + " resets, guests that come and go, round after round. Exit code 0 if each round went as"
          + " it must and heap, memory, descriptors and threads stayed flat, 1 if not."
    })
final class SoakCommand implements Callable<Integer> {

  @Option(
      names = "--time",
      paramLabel = "TIME",
      defaultValue = "30m",
      description = "5m at least, such as 30m or 2h (default: ${DEFAULT-VALUE})")
  private String time;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "what order, data and faults follow from (default: one that is drawn)")
  private Long seed;

  @Override
  public Integer call() {
    throw LabException.usage("the soak is run by the launcher: ./vlab soak");
  }
}
