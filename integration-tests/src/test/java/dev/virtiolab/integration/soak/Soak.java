package dev.virtiolab.integration.soak;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.host.HostCommand;
import dev.virtiolab.lab.host.NetworkNamespace;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where {@code ./vlab soak} arrives. Exit code 0 if every round went as it must and nothing grew, 1
 * if not, 2 if it was asked for what cannot be.
 */
final class Soak {
  private static final Duration USUAL_TIME = Duration.ofMinutes(30);

  /** The quarter that is warm-up is longer than what TCP keeps in TIME-WAIT stays there. */
  private static final Duration SHORTEST_TIME = Duration.ofMinutes(5);

  private static final Pattern TIME = Pattern.compile("(\\d{1,6})(s|m|h)");

  /** A soak has this many measurements at most, so that its report can be read. */
  private static final int MOST_LINES = 60;

  /** Seeds that nobody chose are easily typed. */
  private static final long SEEDS = 1_000_000;

  /** What was asked for. */
  private record Plan(Duration time, long seed) {}

  private Soak() {}

  public static void main(String[] arguments) {
    Locale.setDefault(Locale.ROOT);
    try {
      Plan plan = read(arguments);
      NetworkNamespace.enter();
      HostCommand.runOrFail(
          HostCommand.require("ip", "iproute2"), "link", "set", "dev", "lo", "up");
      System.exit(run(plan, System.out));
    } catch (LabException e) {
      System.err.println("vlab: " + e.getMessage());
      System.exit(e.exitCode());
    }
  }

  private static Plan read(String[] arguments) {
    Duration time = USUAL_TIME;
    long seed = ThreadLocalRandom.current().nextLong(SEEDS);
    for (int i = 0; i < arguments.length; i += 2) {
      String value = i + 1 < arguments.length ? arguments[i + 1] : "";
      switch (arguments[i]) {
        case "--time" -> time = time(value);
        case "--seed" -> seed = seed(value);
        default -> throw LabException.usage("soak takes --time and --seed, not " + arguments[i]);
      }
    }
    return new Plan(time, seed);
  }

  private static Duration time(String text) {
    Matcher parts = TIME.matcher(text);
    if (!parts.matches()) {
      throw LabException.usage("--time is such as 30m or 2h, not \"" + text + "\"");
    }
    long number = Long.parseLong(parts.group(1));
    Duration time =
        switch (parts.group(2)) {
          case "s" -> Duration.ofSeconds(number);
          case "m" -> Duration.ofMinutes(number);
          default -> Duration.ofHours(number);
        };
    if (time.compareTo(SHORTEST_TIME) < 0) {
      throw LabException.usage("--time is 5m at least: in less nothing shows whether it grows");
    }
    return time;
  }

  private static long seed(String text) {
    try {
      return Long.parseLong(text);
    } catch (NumberFormatException e) {
      throw LabException.usage("--seed takes a whole number, not \"" + text + "\"", e);
    }
  }

  /** Rounds until the time is over, but as many as it takes to judge. */
  private static int run(Plan plan, PrintStream out) {
    out.printf("soak of %s, --seed %d gives the same again%n", plan.time, plan.seed);
    out.println("  time   rounds  heap MiB  resident MiB  descriptors  threads");
    List<Vitals> measured = new ArrayList<>();
    long start = System.nanoTime();
    long nextLine = 0;
    try (SoakRound round = SoakRound.open(plan.seed)) {
      while (measured.size() < Flatness.FEWEST_MEASUREMENTS
          || System.nanoTime() - start < plan.time.toNanos()) {
        round.run();
        Vitals vitals = Vitals.measure();
        measured.add(vitals);
        long passed = System.nanoTime() - start;
        if (passed >= nextLine) {
          show(out, passed, measured.size(), vitals);
          nextLine = passed + plan.time.toNanos() / MOST_LINES;
        }
      }
    } catch (AssertionError e) {
      out.printf("round %d failed: %s%n", measured.size() + 1, e.getMessage());
      e.printStackTrace(System.err);
      return LabException.FAILURE;
    }
    List<String> complaints = Flatness.complaints(measured);
    complaints.forEach(out::println);
    out.printf(
        "%d rounds in %d s: %s%n",
        measured.size(),
        TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - start),
        complaints.isEmpty() ? "nothing grew" : "not flat");
    return complaints.isEmpty() ? 0 : LabException.FAILURE;
  }

  private static void show(PrintStream out, long passedNanos, int rounds, Vitals vitals) {
    out.printf(
        "%5d s  %6d  %8.1f  %12.1f  %11d  %7d%n",
        TimeUnit.NANOSECONDS.toSeconds(passedNanos),
        rounds,
        vitals.heapBytes() / (double) (1 << 20),
        vitals.residentBytes() / (double) (1 << 20),
        vitals.descriptors(),
        vitals.threads());
    out.flush();
  }
}
