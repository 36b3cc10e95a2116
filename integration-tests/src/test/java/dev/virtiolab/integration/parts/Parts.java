package dev.virtiolab.integration.parts;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.host.HostCommand;
import dev.virtiolab.lab.host.NetworkNamespace;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.regex.Pattern;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.CommandLineOptionException;
import org.openjdk.jmh.runner.options.CommandLineOptions;
import org.openjdk.jmh.runner.options.OptionsBuilder;

/** Where {@code ./vlab bench parts} arrives: all benchmarks of this package, with JMH's options. */
final class Parts {
  private static final String NEEDS_A_TAP = Pattern.quote(TapWrite.class.getName());

  private Parts() {}

  public static void main(String[] arguments) throws RunnerException {
    CommandLineOptions options;
    try {
      options = new CommandLineOptions(arguments);
    } catch (CommandLineOptionException e) {
      System.err.println("vlab: " + e.getMessage());
      System.exit(LabException.USAGE);
      return;
    }
    ChainedOptionsBuilder builder =
        new OptionsBuilder().parent(options).addProfiler(GCProfiler.class);
    if (options.shouldHelp()) {
      showHelp(options);
      return;
    }
    if (options.shouldList()) {
      new Runner(builder.build()).list();
      return;
    }
    try {
      NetworkNamespace.enter();
      // By which JMH speaks to its forks.
      HostCommand.runOrFail(
          HostCommand.require("ip", "iproute2"), "link", "set", "dev", "lo", "up");
    } catch (LabException e) {
      System.err.println("vlab: the TAP write is left out: " + e.getMessage());
      builder.exclude(NEEDS_A_TAP);
    }
    new Runner(builder.build()).run();
  }

  private static void showHelp(CommandLineOptions options) {
    try {
      options.showHelp();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
