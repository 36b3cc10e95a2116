package dev.virtiolab.lab.cli;

import dev.virtiolab.lab.ebs.Breach;
import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.Encounter;
import dev.virtiolab.lab.ebs.History;
import dev.virtiolab.lab.ebs.Invariant;
import dev.virtiolab.lab.ebs.Report;
import dev.virtiolab.lab.ebs.Step;
import dev.virtiolab.lab.ebs.Timeline;
import dev.virtiolab.lab.ebs.Verdict;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * What {@code vlab ebs --json} prints. There are no times in it: the same settings give the same
 * bytes.
 */
final class EbsJson {
  private EbsJson() {}

  /** Of an exploration. */
  static String of(Report report) {
    return Json.of(
        new Exploration(
            new Settings(
                report.settings().seed(),
                report.settings().slots(),
                report.settings().edk2Order() ? EbsCommand.EDK2_ORDER : EbsCommand.ALL_ORDERS),
            report.cells().stream().map(CellRow::of).toList(),
            report.encounters().stream().map(EncounterRow::of).toList(),
            Totals.of(report.cells())));
  }

  /** Of one history that was run again. */
  static String of(Timeline timeline) {
    return Json.of(
        new Replay(
            HistoryRow.of(timeline.history()),
            timeline.steps().stream().map(StepRow::of).toList(),
            timeline.reason()));
  }

  record Exploration(
      Settings settings, List<CellRow> cells, List<EncounterRow> encounters, Totals totals) {}

  record Settings(long seed, boolean slots, String order) {}

  /**
   * A cell.
   *
   * @param orders that UEFI allows; null: a run was cut, and not every order was tried
   * @param ordersRun of those; the others are like one of these
   */
  record CellRow(
      String policy,
      String driver,
      String platform,
      String verdict,
      List<Invariant> invariants,
      Long orders,
      int ordersRun,
      List<HistoryRow> histories) {

    static CellRow of(Cell cell) {
      return new CellRow(
          cell.policy(),
          cell.driver(),
          cell.platform().label(),
          cell.verdict().word(),
          cell.invariants(),
          isWhole(cell) ? cell.orders() : null,
          cell.histories().size(),
          cell.histories().stream().map(HistoryRow::of).toList());
    }
  }

  /**
   * An order that was run.
   *
   * @param cut why the run was ended before the hand-off; null: it was not
   */
  record HistoryRow(String id, int steps, boolean fails, List<Breach> breaches, String cut) {
    static HistoryRow of(History history) {
      return new HistoryRow(
          history.id().toString(),
          history.steps(),
          history.fails(),
          history.breaches(),
          history.cut().orElse(null));
    }
  }

  record EncounterRow(
      String circumstance,
      String policy,
      String driver,
      String platform,
      String verdict,
      List<Invariant> invariants,
      List<String> seen) {

    static EncounterRow of(Encounter encounter) {
      return new EncounterRow(
          encounter.circumstance().word(),
          encounter.policy(),
          encounter.driver(),
          encounter.platform().label(),
          encounter.verdict().word(),
          encounter.invariants(),
          encounter.seen());
    }
  }

  /**
   * Sums over all cells.
   *
   * @param orders that UEFI allows, of the cells in which no run was cut
   * @param ordersRun of those
   * @param ordersRunOfCutCells of the other cells
   * @param verdicts how many cells have each
   */
  record Totals(
      int cells,
      long orders,
      long ordersRun,
      long ordersRunOfCutCells,
      Map<String, Integer> verdicts) {
    static Totals of(List<Cell> cells) {
      Map<String, Integer> verdicts = new LinkedHashMap<>();
      for (Verdict verdict : Verdict.values()) {
        verdicts.put(verdict.word(), 0);
      }
      cells.forEach(cell -> verdicts.merge(cell.verdict().word(), 1, Integer::sum));
      return new Totals(
          cells.size(),
          cells.stream().filter(EbsJson::isWhole).mapToLong(Cell::orders).sum(),
          run(cells.stream().filter(EbsJson::isWhole)),
          run(cells.stream().filter(cell -> !isWhole(cell))),
          verdicts);
    }

    private static long run(Stream<Cell> cells) {
      return cells.mapToLong(cell -> cell.histories().size()).sum();
    }
  }

  /** Whether every order was run, or is like one that was. */
  private static boolean isWhole(Cell cell) {
    return cell.verdict() != Verdict.DOES_NOT_TERMINATE;
  }

  record Replay(HistoryRow history, List<StepRow> timeline, String reason) {}

  record StepRow(
      int number,
      int tpl,
      String actor,
      String kind,
      String text,
      List<String> live,
      int openMappings,
      List<Invariant> breaks) {

    static StepRow of(Step step) {
      return new StepRow(
          step.number(),
          step.tpl(),
          step.actor(),
          step.kind().word(),
          step.text(),
          step.live(),
          step.openMappings(),
          step.breaks());
    }
  }
}
