package dev.virtiolab.lab.bench;

import dev.virtiolab.lab.host.Host;
import dev.virtiolab.lab.host.HostCommand;
import dev.virtiolab.lab.host.OwnProcess;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Where and when a figure was measured. A fact that the machine does not tell is the word {@value
 * #UNKNOWN}.
 *
 * @param cpu model, as the kernel names it
 * @param cores processors that this process may use
 * @param kernel name, release and architecture
 * @param java the virtual machine and its version
 * @param javaOptions what the virtual machine was started with, as far as it bears on speed
 * @param governor who chooses the processor's clock
 * @param loadAverage processes that wanted to run in the minute before, on average
 * @param revision git's name of the sources, and whether they were changed since
 * @param started UTC, to the second
 */
public record MachineFacts(
    String cpu,
    int cores,
    String kernel,
    String java,
    List<String> javaOptions,
    String governor,
    String loadAverage,
    String revision,
    String started) {

  static final String UNKNOWN = "unknown";

  private static final Path CPU_INFO = Path.of("/proc/cpuinfo");
  private static final String GOVERNOR = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";

  /** Asks this machine. */
  public static MachineFacts gather() {
    return new MachineFacts(
        cpuModel(),
        Runtime.getRuntime().availableProcessors(),
        String.join(
            " ",
            System.getProperty("os.name"),
            System.getProperty("os.version"),
            System.getProperty("os.arch")),
        System.getProperty("java.vm.name") + " " + Runtime.version(),
        OwnProcess.commandLine().stream().filter(word -> word.startsWith("-X")).toList(),
        orUnknown(Host.setting(GOVERNOR)),
        firstWord(Host.setting("/proc/loadavg")),
        revision(System.getProperty("vlab.root")),
        Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
  }

  private static String cpuModel() {
    try (Stream<String> lines = Files.lines(CPU_INFO)) {
      return lines
          .filter(line -> line.startsWith("model name"))
          .findFirst()
          .map(line -> line.substring(line.indexOf(':') + 1).strip())
          .orElse(UNKNOWN);
    } catch (IOException e) {
      return UNKNOWN;
    }
  }

  /**
   * @param root folder of the sources; null where the launcher did not say
   */
  static String revision(String root) {
    Optional<Path> git = HostCommand.find("git");
    if (root == null || git.isEmpty()) {
      return UNKNOWN;
    }
    HostCommand.Outcome outcome =
        HostCommand.run(
            List.of(
                git.get().toString(),
                "--no-optional-locks",
                "-C",
                root,
                "describe",
                "--always",
                "--dirty"));
    return outcome.ok() ? outcome.firstLine() : UNKNOWN;
  }

  private static String firstWord(String text) {
    return orUnknown(text.split(" ", 2)[0]);
  }

  private static String orUnknown(String text) {
    return text.isEmpty() ? UNKNOWN : text;
  }
}
