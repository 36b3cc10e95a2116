package dev.virtiolab.lab.throughput;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.host.HostCommand;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The host's {@code iperf3}: looked for, its version checked, its complaints understood. */
public final class Iperf3 {
  private static final Pattern VERSION = Pattern.compile("^iperf (\\d+)\\.(\\d+)");

  /** The program's name, as it was called, in front of what it says. */
  private static final Pattern NAME = Pattern.compile("^\\S*iperf3: ");

  /** The first with {@code --bidir}: 3.7, of 2019. */
  private static final int MAJOR = 3;

  private static final int MINOR = 7;

  private final String program;

  private Iperf3(String program) {
    this.program = program;
  }

  /**
   * Finds it.
   *
   * @throws LabException if it is missing or too old, with the package or the version in the line
   */
  public static Iperf3 require() {
    String program = HostCommand.require("iperf3", "iperf3");
    HostCommand.Outcome outcome = HostCommand.run(List.of(program, "--version"));
    Matcher version = VERSION.matcher(outcome.firstLine());
    if (!version.find()) {
      throw LabException.usage(
          program + " --version does not say which iperf it is: " + outcome.firstLine());
    }
    int major = Integer.parseInt(version.group(1));
    int minor = Integer.parseInt(version.group(2));
    if (major < MAJOR || major == MAJOR && minor < MINOR) {
      throw LabException.usage(
          "iperf3 is too old: %s is version %d.%d, and 3.7 or later is needed"
              .formatted(program, major, minor));
    }
    return new Iperf3(program);
  }

  /**
   * A command line of it, which the kernel kills when this process's main thread is gone, however
   * that ended.
   *
   * @param before what is to run it: {@code unshare --net}, say
   */
  List<String> command(List<String> before, List<String> arguments) {
    List<String> command = new ArrayList<>();
    command.addAll(
        List.of(HostCommand.require("setpriv", "util-linux"), "--pdeathsig", "KILL", "--"));
    command.addAll(before);
    command.add(program);
    command.addAll(arguments);
    return command;
  }

  /**
   * Of what it printed on standard error, the line that says why it failed; empty if it said
   * nothing.
   */
  static String complaint(String errors) {
    // "iperf3: exiting" and the like, or how to use it, follow; the reason comes first.
    return errors
        .lines()
        .filter(line -> !line.isBlank())
        .findFirst()
        .map(line -> NAME.matcher(line).replaceFirst("").strip())
        .orElse("");
  }

  /** Whether a complaint is about how it was called. */
  static boolean isAboutOptions(String complaint) {
    return complaint.startsWith("parameter error")
        || complaint.startsWith("unrecognized option")
        || complaint.startsWith("invalid option")
        || complaint.startsWith("option ")
        || complaint.contains("is ambiguous");
  }
}
