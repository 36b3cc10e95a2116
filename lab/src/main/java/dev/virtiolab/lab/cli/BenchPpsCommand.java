package dev.virtiolab.lab.cli;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.iommu.UnknownPlatformException;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.bench.BenchCase;
import dev.virtiolab.lab.bench.BenchReport;
import dev.virtiolab.lab.bench.BenchResult;
import dev.virtiolab.lab.bench.Direction;
import dev.virtiolab.lab.bench.MachineFacts;
import dev.virtiolab.lab.bench.PacketRun;
import dev.virtiolab.lab.bench.PpsSuite;
import dev.virtiolab.lab.bench.SlotTable;
import dev.virtiolab.lab.bench.html.HtmlReport;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code vlab bench pps}. */
@Command(
    name = PpsSuite.NAME,
    description = {
      "Frames per second through SNP calls, rings and device, by frame size and platform.",
      "Without options the whole matrix, which takes some minutes. Each frame is looked"
          + " for at the far end: a run that loses one fails. Each line of the chart is measured in"
          + " a process of its own. Exit code 0 if all was measured, 1 if frames were lost, 2 if it"
          + " was asked for what cannot be."
    })
final class BenchPpsCommand implements Callable<Integer> {
  private static final int MAX_RUNS = 1000;
  private static final double MAX_SECONDS = 60;
  private static final String ROW = "%-14s %-5s %-5s %7s %6s %14s %14s %14s %8s %8s%n";

  @Spec private CommandSpec spec;

  @Option(
      names = "--platform",
      paramLabel = "NAME,...",
      split = ",",
      hideParamSyntax = true,
      description = "only this one, or these (default: all)")
  private List<String> platforms = PlatformKind.labels();

  @Option(
      names = "--size",
      paramLabel = "BYTES,...",
      split = ",",
      hideParamSyntax = true,
      description = "frame sizes, 22 to 1514 (default: 64,128,256,512,1024,1280,1514)")
  private List<Integer> sizes = BenchCase.FRAME_SIZES;

  @Option(
      names = "--direction",
      paramLabel = "tx,rx,both",
      split = ",",
      hideParamSyntax = true,
      description = "as the guest sees it (default: each)")
  private List<String> directions = List.of("tx", "rx", "both");

  @Option(
      names = "--threads",
      paramLabel = "1,2",
      split = ",",
      hideParamSyntax = true,
      description = "driver and device on one thread, or on two (default: each)")
  private List<Integer> threads = List.of(1, 2);

  @Option(
      names = "--bounce-slots",
      paramLabel = BounceSlotsWord.LABEL + ",...",
      split = ",",
      hideParamSyntax = true,
      description = {BounceSlotsWord.DESCRIPTION, "Only on sev has it a meaning."})
  private List<String> slotTables = List.of(SlotTable.OVMF.label(), "ring");

  @Option(
      names = "--runs",
      paramLabel = "N",
      defaultValue = "5",
      description = "timed runs of each case (default: ${DEFAULT-VALUE})")
  private int runs;

  @Option(
      names = "--seconds",
      paramLabel = "S",
      defaultValue = "0.15",
      description = "how long each run is (default: ${DEFAULT-VALUE})")
  private double seconds;

  @Option(names = "--json", description = "print one JSON object")
  private boolean json;

  @Option(
      names = "--html",
      paramLabel = "FILE",
      description = "write a page with charts, which needs no other file")
  private Path html;

  @Option(
      names = "--worker",
      hidden = true,
      description = "measure in this process, and print each row as a line of JSON")
  private boolean worker;

  @Override
  public Integer call() {
    List<BenchCase> cases = plan();
    PpsSuite suite = suite();
    return worker ? work(suite, cases) : lead(suite, cases);
  }

  // ---- what to measure

  private PpsSuite suite() {
    if (runs < 1 || runs > MAX_RUNS) {
      throw LabException.usage("--runs is from 1 to " + MAX_RUNS + ", not " + runs);
    }
    if (!(seconds > 0 && seconds <= MAX_SECONDS)) {
      throw LabException.usage("--seconds is more than 0 and at most 60, not " + seconds);
    }
    return new PpsSuite(runs, seconds);
  }

  private List<BenchCase> plan() {
    OutputFile.check("--html", html);
    List<BenchCase> cases = new ArrayList<>();
    for (PlatformKind platform : platforms()) {
      for (SlotTable slots : slotTables(platform)) {
        for (int count : threads()) {
          for (Direction direction : directions()) {
            for (int size : sizes()) {
              cases.add(new BenchCase(platform, slots, direction, count, size));
            }
          }
        }
      }
    }
    return cases;
  }

  private List<PlatformKind> platforms() {
    try {
      return platforms.stream().distinct().map(PlatformKind::parse).toList();
    } catch (UnknownPlatformException e) {
      throw LabException.usage("--platform: " + e.getMessage(), e);
    }
  }

  private List<SlotTable> slotTables(PlatformKind platform) {
    List<SlotTable> known =
        slotTables.stream()
            .distinct()
            .map(word -> new SlotTable(word, BounceSlotsWord.parse(word)))
            .toList();
    return BenchCase.hasSlots(platform) ? known : List.of(SlotTable.OVMF);
  }

  private List<Direction> directions() {
    return directions.stream().distinct().map(BenchPpsCommand::direction).toList();
  }

  private static Direction direction(String word) {
    for (Direction known : Direction.values()) {
      if (known.label().equals(word)) {
        return known;
      }
    }
    throw LabException.usage("--direction is tx, rx or both, not " + word);
  }

  private List<Integer> threads() {
    for (int count : threads) {
      if (count != 1 && count != 2) {
        throw LabException.usage("--threads is 1 or 2, not " + count);
      }
    }
    return threads.stream().distinct().toList();
  }

  private List<Integer> sizes() {
    for (int size : sizes) {
      if (size < PacketRun.MIN_FRAME || size > PacketRun.MAX_FRAME) {
        throw LabException.usage(
            "--size is from %d to %d, not %d"
                .formatted(PacketRun.MIN_FRAME, PacketRun.MAX_FRAME, size));
      }
    }
    return sizes.stream().distinct().sorted().toList();
  }

  // ---- a worker's part

  private int work(PpsSuite suite, List<BenchCase> cases) {
    BenchWorker.endWithParent();
    PrintWriter out = spec.commandLine().getOut();
    boolean first = true;
    for (BenchCase one : cases) {
      out.println(Json.lineOf(suite.measure(one, first)));
      out.flush();
      first = false;
    }
    return 0;
  }

  // ---- the part of the process that the user started

  private int lead(PpsSuite suite, List<BenchCase> cases) {
    MachineFacts machine = MachineFacts.gather();
    PrintWriter out = spec.commandLine().getOut();
    List<BenchResult> results = new ArrayList<>();
    if (!json) {
      describe(machine, out);
    }
    boolean complete = measure(cases, results, out);
    BenchReport report =
        new BenchReport(
            PpsSuite.NAME, complete, machine, suite.runs(), suite.secondsPerRun(), results);
    if (json) {
      out.println(Json.of(report));
    }
    out.flush();
    if (html != null && !results.isEmpty()) {
      OutputFile.write("--html", html, HtmlReport.of(report));
    }
    return complete ? 0 : LabException.INTERRUPTED;
  }

  /** Measures kind by kind, each in a process of its own; false if Ctrl-C cut it short. */
  private boolean measure(List<BenchCase> cases, List<BenchResult> results, PrintWriter out) {
    ProgressLine progress = ProgressLine.onStandardError();
    long begin = System.nanoTime();
    try {
      for (int i = 0; i < cases.size(); ) {
        int from = i;
        List<BenchCase> kind = cases.stream().filter(cases.get(from)::isLike).toList();
        try (BenchWorker process = BenchWorker.start(arguments(kind))) {
          progress.show(describe(cases, results.size(), begin));
          for (Optional<BenchResult> row = process.next(); row.isPresent(); row = process.next()) {
            results.add(row.get());
            progress.clear();
            print(row.get(), out);
            if (results.size() < cases.size()) {
              progress.show(describe(cases, results.size(), begin));
            }
          }
        }
        i += kind.size();
      }
      return true;
    } catch (InterruptedException e) {
      return false;
    } finally {
      progress.clear();
    }
  }

  private List<String> arguments(List<BenchCase> kind) {
    BenchCase one = kind.getFirst();
    return List.of(
        "bench",
        PpsSuite.NAME,
        "--worker",
        "--platform=" + one.platform().label(),
        "--bounce-slots=" + one.slots().label(),
        "--direction=" + one.direction().label(),
        "--threads=" + one.threads(),
        "--size=" + String.join(",", kind.stream().map(next -> "" + next.frameBytes()).toList()),
        "--runs=" + runs,
        "--seconds=" + seconds);
  }

  private static String describe(List<BenchCase> cases, int done, long begin) {
    String what = "%d of %d  %s".formatted(done + 1, cases.size(), cases.get(done));
    if (done == 0) {
      return what;
    }
    long left = (System.nanoTime() - begin) / done * (cases.size() - done) / 1_000_000_000L;
    return what + String.format(Locale.ROOT, "  %d:%02d left", left / 60, left % 60);
  }

  private static void describe(MachineFacts machine, PrintWriter out) {
    out.printf(
        Locale.ROOT,
        "%s, %d cores, governor %s, load %s%n%s, %s%n%s, sources %s%n%n",
        machine.cpu(),
        machine.cores(),
        machine.governor(),
        machine.loadAverage(),
        machine.kernel(),
        machine.java(),
        machine.started(),
        machine.revision());
    out.printf(
        ROW,
        "platform",
        "slots",
        "",
        "threads",
        "bytes",
        "frames/s",
        "min",
        "max",
        "Gbit/s",
        "B/frame");
    out.flush();
  }

  private void print(BenchResult row, PrintWriter out) {
    if (json) {
      return;
    }
    out.printf(
        Locale.ROOT,
        ROW,
        row.platform(),
        row.bounceSlots() == null ? "" : row.bounceSlots(),
        row.direction(),
        row.threads(),
        row.frameBytes(),
        grouped(row.framesPerSecond().median()),
        grouped(row.framesPerSecond().min()),
        grouped(row.framesPerSecond().max()),
        String.format(Locale.ROOT, "%.2f", row.gigabitsPerSecond()),
        String.format(Locale.ROOT, "%.2f", row.bytesAllocatedPerFrame()));
    out.flush();
  }

  private static String grouped(long number) {
    return String.format(Locale.ROOT, "%,d", number);
  }
}
