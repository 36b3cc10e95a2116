package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.ebs.Catalogue;
import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.Encounter;
import dev.virtiolab.lab.ebs.Explorer;
import dev.virtiolab.lab.ebs.HistoryId;
import dev.virtiolab.lab.ebs.OwnClass;
import dev.virtiolab.lab.ebs.Report;
import dev.virtiolab.lab.ebs.Settings;
import dev.virtiolab.lab.ebs.Timeline;
import dev.virtiolab.lab.ebs.html.HtmlReport;
import dev.virtiolab.lab.trace.Trace;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code vlab ebs}. */
@Command(
    name = "ebs",
    description = {
      "Who takes DMA mappings down at ExitBootServices, and in what order is that safe? Runs every"
          + " policy with every driver, in every order of handlers that UEFI allows, with DMA by"
          + " every live device at every step, and prints what holds and what breaks.",
      "Every answer comes from a run: for each order a whole machine is booted, up to the moment at"
          + " which the OS has it, and then looked at. With one policy and one driver named, the"
          + " shortest history that fails is told step by step. Exit code 0 whatever is found, 2 if"
          + " it was asked for what cannot be."
    },
    footer = {
      "",
      "Examples:",
      "  vlab ebs                                            every policy, every driver",
      "  vlab ebs --policy requeue-callback --driver virtio-net        one cell, on sev and vtd",
      "  vlab ebs --driver requeue-from-callback --platform all        one driver, every policy",
      "  vlab ebs --policy core-hook --driver virtio-net+no-handler    two cards on one machine",
      "  vlab ebs --replay sev/requeue-callback/virtio-net/0 --trace exit.json"
    })
final class EbsCommand implements Callable<Integer> {
  static final String EDK2_ORDER = "edk2";
  static final String ALL_ORDERS = "all";

  /** Kept here: a logger that nobody holds forgets its level. */
  private static final Logger DEVICE_LOG = Logger.getLogger("dev.virtiolab.virtio");

  @Spec private CommandSpec spec;

  @Mixin private EbsPlanOptions which;

  @Option(
      names = "--order",
      paramLabel = EDK2_ORDER + "|" + ALL_ORDERS,
      description = "run edk2's order of handlers only, or all that UEFI allows (default: all)")
  private String order;

  @Option(
      names = "--slots",
      description =
          "give the IOMMU driver the reserved bounce slots that it has today, and had not in 2017")
  private boolean slots;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "keys, frames and data follow from this number (default: 1)")
  private Long seed;

  @Option(
      names = "--replay",
      paramLabel = "ID",
      description = "run one history again, and tell its steps")
  private String replay;

  @Option(
      names = "--trace",
      paramLabel = "FILE",
      description =
          "with --replay: write a timeline of kicks, descriptor chains, mappings, C-bit flips and"
              + " faults; open it with https://ui.perfetto.dev or chrome://tracing")
  private Path trace;

  @Option(
      names = "--with",
      paramLabel = "FILE.java",
      description =
          "a policy or a driver of one's own, in one class: a column or a row more (see"
              + " docs/your-own-policy.md); may be given again")
  private List<Path> own = List.of();

  @Option(
      names = "--html",
      paramLabel = "FILE",
      description =
          "write a page, which needs no other file: the matrix, and for each cell the history that"
              + " fails soonest as a picture")
  private Path html;

  @Option(names = "--json", description = "print one JSON object")
  private boolean json;

  @Override
  public Integer call() {
    // What the device complains of is in the histories, with the rest.
    DEVICE_LOG.setLevel(Level.OFF);
    Catalogue catalogue = Catalogue.builtIn();
    own.forEach(file -> OwnClass.in(file).addTo(catalogue));
    if (replay != null) {
      return replay(catalogue);
    }
    explore(catalogue);
    return 0;
  }

  // ---- one history

  /** Returns the exit code: that of a failure where the file lacks events, of which it has told. */
  private int replay(Catalogue catalogue) {
    Optional<String> named =
        which
            .given()
            .or(() -> Optional.ofNullable(order).map(any -> "--order"))
            .or(() -> slots ? Optional.of("--slots") : Optional.empty())
            .or(() -> Optional.ofNullable(seed).map(any -> "--seed"));
    if (named.isPresent()) {
      throw LabException.usage("leave out %s: --replay already names it".formatted(named.get()));
    }
    if (html != null) {
      throw LabException.usage("--html shows cells: of one history there is --trace");
    }
    OutputFile.check("--trace", trace);
    HistoryId id = HistoryId.parse(replay);
    known("policy", id.policy(), catalogue.policies());
    id.drivers().forEach(driver -> known("driver", driver, catalogue.drivers()));
    Explorer explorer = new Explorer(catalogue, settings());
    List<Trace> opened = new ArrayList<>();
    Timeline timeline = trace == null ? explorer.replay(id) : traced(explorer, id, opened);
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(EbsJson.of(timeline));
    } else {
      out.println(
          id + (timeline.history().fails() ? ": an invariant breaks" : ": no invariant breaks"));
      EbsStory.of(timeline).forEach(out::println);
    }
    out.flush();
    return opened.stream().anyMatch(one -> one.missed() > 0) ? LabException.FAILURE : 0;
  }

  private static void known(String kind, String name, List<String> all) {
    if (!all.contains(name)) {
      throw LabException.usage(
          "--replay: there is no %s %s; known are %s"
              .formatted(kind, name, String.join(", ", all)));
    }
  }

  /** The same, with what devices, drivers and platform do in a file. */
  private Timeline traced(Explorer explorer, HistoryId id, List<Trace> opened) {
    try {
      return explorer.replay(
          id,
          nanos -> {
            opened.add(open(nanos));
            return opened.getFirst().machine("virtio-net", id.platform().label());
          });
    } finally {
      opened.forEach(Trace::close);
    }
  }

  private Trace open(LongSupplier nanos) {
    try {
      return Trace.open(trace, nanos);
    } catch (IOException e) {
      throw LabException.usage("cannot write --trace " + trace + ": " + e.getMessage(), e);
    }
  }

  // ---- all of them

  private void explore(Catalogue catalogue) {
    if (trace != null) {
      throw LabException.usage("--trace is of one history: name it with --replay");
    }
    OutputFile.check("--html", html);
    EbsPlan plan = which.toPlan(catalogue);
    Settings settings = settings();
    Explorer explorer = new Explorer(catalogue, settings);
    long begin = System.nanoTime();
    List<Cell> cells = runCells(explorer, plan, begin);
    List<Encounter> encounters = new ArrayList<>();
    for (Explorer.Task task : plan.encounters()) {
      encounters.addAll(
          explorer.encounter(task.platform(), task.policy(), task.drivers().getFirst()));
    }
    double seconds = (System.nanoTime() - begin) / 1e9;
    Report report = new Report(settings, cells, encounters);
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(EbsJson.of(report));
    } else if (plan.single()) {
      EbsText.stories(report, explorer::replay, again()).forEach(out::println);
    } else {
      EbsText.overview(report, plan.summarized(), catalogue, seconds, again())
          .forEach(out::println);
    }
    out.flush();
    if (html != null) {
      writePage(report, explorer);
    }
  }

  private List<Cell> runCells(Explorer explorer, EbsPlan plan, long begin) {
    ProgressLine progress = ProgressLine.onStandardError();
    try {
      return explorer.explore(
          plan.cells(), (done, all) -> progress.show(describe(done, all, begin)));
    } finally {
      progress.clear();
    }
  }

  private void writePage(Report report, Explorer explorer) {
    ProgressLine progress = ProgressLine.onStandardError();
    AtomicInteger replayed = new AtomicInteger();
    try {
      OutputFile.write(
          "--html",
          html,
          HtmlReport.of(
              report,
              id -> {
                if (Thread.interrupted()) {
                  throw LabException.interrupted();
                }
                progress.show("%d histories for the page".formatted(replayed.incrementAndGet()));
                return explorer.replay(id);
              },
              again()));
    } finally {
      progress.clear();
    }
  }

  private static String describe(int done, int all, long begin) {
    if (done == 0) {
      return "%d cells".formatted(all);
    }
    long left = (System.nanoTime() - begin) / done * (all - done) / 1_000_000_000L;
    return String.format(
        Locale.ROOT, "%d of %d cells  %d:%02d left", done, all, left / 60, left % 60);
  }

  /** The command that knows what this one does. */
  private String again() {
    return own.stream()
        .map(file -> " --with " + file)
        .collect(Collectors.joining("", "vlab ebs", ""));
  }

  private Settings settings() {
    if (order != null && !order.equals(EDK2_ORDER) && !order.equals(ALL_ORDERS)) {
      throw LabException.usage(
          "--order is %s or %s, not %s".formatted(EDK2_ORDER, ALL_ORDERS, order));
    }
    return new Settings(
        seed == null ? Settings.USUAL.seed() : seed, slots, EDK2_ORDER.equals(order), Set.of());
  }
}
