package dev.virtiolab.lab.cli;

import dev.virtiolab.firmware.mistake.Mistake;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.iommu.UnknownPlatformException;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.dmacheck.Cell;
import dev.virtiolab.lab.dmacheck.DmaCheck;
import dev.virtiolab.lab.dmacheck.Evidence;
import dev.virtiolab.lab.dmacheck.Verdict;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.logging.Level;
import java.util.logging.Logger;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code vlab dma-check}. */
@Command(
    name = "dma-check",
    description = {
      "Runs a small network driver on every platform, right and with each of the well-known mistakes"
          + " about DMA, and prints which platform notices which, with the evidence.",
      "Nothing is looked up: each cell of the table is a run, on the real device and IOMMU driver."
    })
final class DmaCheckCommand implements Callable<Integer> {

  /** Kept here: a logger that nobody holds forgets its level. */
  private static final Logger DEVICE_LOG = Logger.getLogger("dev.virtiolab.virtio");

  @Spec private CommandSpec spec;

  @Option(
      names = "--platform",
      paramLabel = "NAME",
      description = "only this platform: pc, vtd, noncoherent or sev (default: all)")
  private String platform;

  @Option(
      names = "--mistake",
      paramLabel = "NAME",
      description = "only this mistake, a row of the table (default: all)")
  private String mistake;

  @Option(
      names = "--bounce-slots",
      paramLabel = BounceSlotsWord.LABEL,
      defaultValue = "ovmf",
      description = BounceSlotsWord.DESCRIPTION)
  private String bounceSlots;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description = "keys and frames follow from this number (default: ${DEFAULT-VALUE})")
  private long seed;

  @Option(names = "--json", description = "print one JSON object")
  private boolean json;

  /** What {@code --json} prints. */
  record Report(long seed, List<Row> cells) {}

  /** A cell, in the words of the command line. */
  record Row(String mistake, String platform, String verdict, List<Seen> evidence) {

    static Row of(Cell cell) {
      return new Row(
          cell.mistake().label(),
          cell.platform().label(),
          cell.verdict().word(),
          cell.evidence().stream().map(Seen::of).toList());
    }
  }

  /** A piece of evidence. */
  record Seen(String sign, long atNanos, long times, String address, String page, String text) {

    static Seen of(Evidence evidence) {
      return new Seen(
          evidence.sign().word(),
          evidence.atNanos(),
          evidence.times(),
          evidence.address(),
          evidence.page(),
          evidence.text());
    }
  }

  @Override
  public Integer call() {
    // What the device complains of is in the evidence, with the rest.
    DEVICE_LOG.setLevel(Level.OFF);
    List<Mistake> mistakes = mistake == null ? List.of(Mistake.values()) : List.of(mistake());
    List<PlatformKind> platforms =
        platform == null ? List.of(PlatformKind.values()) : List.of(platform());
    List<Cell> cells =
        new DmaCheck(seed, BounceSlotsWord.parse(bounceSlots)).run(mistakes, platforms);
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(Json.of(new Report(seed, cells.stream().map(Row::of).toList())));
    } else {
      printTable(cells, mistakes, platforms, out);
      printLegend(cells, out);
      cells.forEach(cell -> printEvidence(cell, out));
    }
    out.flush();
    return 0;
  }

  private Mistake mistake() {
    return Mistake.labelled(mistake)
        .orElseThrow(
            () ->
                LabException.usage(
                    "--mistake is one of %s, not %s"
                        .formatted(String.join(", ", Mistake.labels()), mistake)));
  }

  private PlatformKind platform() {
    try {
      return PlatformKind.parse(platform);
    } catch (UnknownPlatformException e) {
      throw LabException.usage("--platform: " + e.getMessage(), e);
    }
  }

  private static void printTable(
      List<Cell> cells, List<Mistake> mistakes, List<PlatformKind> platforms, PrintWriter out) {
    int first = Text.longest(Mistake.labels());
    int other =
        Math.max(
            Text.longest(PlatformKind.labels()),
            Text.longest(Arrays.stream(Verdict.values()).map(Verdict::word).toList()));
    StringBuilder line = new StringBuilder(" ".repeat(first));
    platforms.forEach(kind -> line.append("  ").append(Text.padded(kind.label(), other)));
    out.println(line.toString().stripTrailing());
    for (Mistake row : mistakes) {
      line.setLength(0);
      line.append(Text.padded(row.label(), first));
      cells.stream()
          .filter(cell -> cell.mistake() == row)
          .forEach(cell -> line.append("  ").append(Text.padded(cell.verdict().word(), other)));
      out.println(line.toString().stripTrailing());
    }
  }

  private static void printLegend(List<Cell> cells, PrintWriter out) {
    out.println();
    cells.stream()
        .map(Cell::verdict)
        .distinct()
        .sorted(Comparator.naturalOrder())
        .forEach(
            verdict -> out.println(Text.padded(verdict.word(), 10) + "  " + verdict.meaning()));
  }

  private static void printEvidence(Cell cell, PrintWriter out) {
    out.println();
    out.printf(
        "%s on %s (%s): %s%n",
        cell.mistake().label(),
        cell.platform().label(),
        cell.mistake().title(),
        cell.verdict().word());
    for (Evidence evidence : cell.evidence()) {
      out.println("  " + evidence.describe());
    }
  }
}
