package dev.virtiolab.lab.cli;

import static dev.virtiolab.iommu.PlatformKind.SEV;
import static dev.virtiolab.lab.cli.EbsRecords.cell;
import static dev.virtiolab.lab.ebs.Invariant.I1;
import static dev.virtiolab.lab.ebs.Invariant.I2;
import static dev.virtiolab.lab.ebs.Invariant.I4;
import static dev.virtiolab.lab.ebs.Invariant.I5;
import static dev.virtiolab.lab.ebs.Invariant.I9;
import static dev.virtiolab.lab.ebs.Verdict.DOES_NOT_TERMINATE;
import static dev.virtiolab.lab.ebs.Verdict.NOT_APPLICABLE;
import static dev.virtiolab.lab.ebs.Verdict.ORDER_DEPENDENT;
import static dev.virtiolab.lab.ebs.Verdict.SAFE;
import static dev.virtiolab.lab.ebs.Verdict.UNSAFE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.lab.ebs.Catalogue;
import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.Invariant;
import dev.virtiolab.lab.ebs.Settings;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class EbsMatrixTest {

  @Test
  void aRowForEachDriverAndAFlagForEachPolicy() {
    List<Cell> cells =
        List.of(
            cell(SEV, "drivers-unmap", "virtio-net", UNSAFE, I2, I5, I9),
            cell(SEV, "drivers-unmap", "no-handler", UNSAFE, I1, I4),
            cell(SEV, "vtd-off", "virtio-net", NOT_APPLICABLE),
            cell(SEV, "vtd-off", "no-handler", NOT_APPLICABLE),
            cell(SEV, "core-hook", "virtio-net", SAFE),
            cell(SEV, "core-hook", "no-handler", DOES_NOT_TERMINATE),
            cell(SEV, "iommu-callback", "virtio-net", ORDER_DEPENDENT, I1),
            cell(SEV, "iommu-callback", "no-handler", UNSAFE, I1, I4));

    assertEquals(
        """
        sev          iommu-callback
                      core-hook   |
                    vtd-off   |   |
        drivers-unmap     |   |   |
        virtio-net  x259  -   .   ~1
        no-handler  x14   -   !   x14
        """
            .lines()
            .toList(),
        EbsMatrix.table(SEV, cells));
  }

  @Test
  void theFullTableFitsATerminal() {
    List<Cell> cells = everyCell(Invariant.I1, I2, I4, I5);

    List<String> lines = EbsMatrix.table(SEV, cells);

    assertEquals(12 + 12, lines.size(), "in one piece");
    assertTrue(Text.longest(lines) <= Text.WIDTH, () -> String.join("\n", lines));
  }

  @Test
  void whatDoesNotFitFollowsInATableOfItsOwn() {
    List<Cell> cells = everyCell(Invariant.values());

    List<String> lines = EbsMatrix.table(SEV, cells);

    assertTrue(Text.longest(lines) <= Text.WIDTH, () -> String.join("\n", lines));
    assertEquals(2, lines.stream().filter(line -> line.startsWith("sev ")).count());
    for (String policy : Catalogue.builtIn().policies()) {
      assertEquals(
          1, lines.stream().filter(line -> line.matches(".* " + policy + "[ |]*")).count(), policy);
    }
    for (String driver : Catalogue.builtIn().drivers()) {
      assertEquals(
          12,
          lines.stream()
              .filter(line -> line.startsWith(driver + " "))
              .flatMap(line -> Stream.of(line.split(" +")).skip(1))
              .filter("x123456789"::equals)
              .count(),
          driver);
    }
  }

  @Test
  void aTableOfPairsHasBothHalves() {
    List<Cell> cells =
        List.of(
            cell(SEV, "core-hook", "b+b", SAFE),
            cell(SEV, "core-hook", "a+b", UNSAFE, I1),
            cell(SEV, "core-hook", "a+a", ORDER_DEPENDENT, I2));

    assertEquals(
        """
        sev    a
           b   |
        b  .   x1
        a  x1  ~2
        """
            .lines()
            .toList(),
        EbsMatrix.pairs(SEV, cells));
  }

  @Test
  void pairsAreCountedPolicyByPolicy() {
    List<Cell> cells =
        List.of(
            cell(SEV, "core-hook", "a+a", SAFE),
            cell(SEV, "core-hook", "a+b", SAFE),
            cell(SEV, "core-hook", "b+b", UNSAFE, I1),
            cell(SEV, "iommu-callback", "a+a", ORDER_DEPENDENT, I1),
            cell(SEV, "iommu-callback", "a+b", UNSAFE, I1),
            cell(SEV, "iommu-callback", "b+b", UNSAFE, I1));

    assertEquals(
        """
                        safe  unsafe  order-dependent
        core-hook          2       1
        iommu-callback             2                1
        """
            .lines()
            .toList(),
        EbsMatrix.summary(cells));
  }

  @Test
  void aPairIsWorseIfItsVerdictIsGraverOrAnInvariantBreaksThatNeitherBreaksAlone() {
    List<Cell> alone =
        List.of(
            cell(SEV, "core-hook", "a", SAFE),
            cell(SEV, "core-hook", "b", ORDER_DEPENDENT, I1),
            cell(SEV, "core-hook", "c", UNSAFE, I1));
    List<Cell> pairs =
        List.of(
            cell(SEV, "core-hook", "a+a", ORDER_DEPENDENT, I1),
            cell(SEV, "core-hook", "a+b", ORDER_DEPENDENT, I1),
            cell(SEV, "core-hook", "a+c", UNSAFE, I1, I9),
            cell(SEV, "core-hook", "b+b", UNSAFE, I1),
            cell(SEV, "core-hook", "b+c", UNSAFE, I1),
            cell(SEV, "core-hook", "c+c", DOES_NOT_TERMINATE, I1));

    assertEquals(
        List.of(
            "Worse than the worse of its two drivers alone:",
            "  a+a with core-hook: ~1; alone .",
            "  a+c with core-hook: x19; alone ., x1",
            "  b+b with core-hook: x1; alone ~1",
            "  c+c with core-hook: !1; alone x1"),
        EbsMatrix.worse(pairs, alone));
  }

  @Test
  void nothingIsSaidOfPairsWhoseDriversWereNotRunAlone() {
    List<Cell> alone = List.of(cell(SEV, "core-hook", "a", SAFE));
    Cell same = cell(SEV, "core-hook", "a+a", SAFE);
    Cell other = cell(SEV, "core-hook", "a+b", SAFE);

    assertEquals(
        List.of("No pair is worse than the worse of its two drivers alone."),
        EbsMatrix.worse(List.of(same), alone));
    assertEquals(List.of(), EbsMatrix.worse(List.of(same, other), alone));
  }

  @Test
  void theLegendExplainsWhatIsThereAndNothingElse() {
    List<Cell> cells =
        List.of(
            cell(SEV, "p", "a", UNSAFE, I9, I4),
            cell(SEV, "p", "b", SAFE),
            cell(SEV, "p", "c", SAFE));

    assertEquals(
        """
        .  safe: no order breaks an invariant
        x  unsafe: every order breaks an invariant
        The digits are the invariants that break:
        I4  at hand-off every device's queues are stopped
        I9  each mapping is torn down exactly once
        """
            .lines()
            .toList(),
        EbsMatrix.legend(cells, Settings.USUAL));
    assertEquals(1, EbsMatrix.legend(cells.subList(1, 3), Settings.USUAL).size(), "nothing breaks");
  }

  private static List<Cell> everyCell(Invariant... invariants) {
    List<Cell> cells = new ArrayList<>();
    Catalogue known = Catalogue.builtIn();
    for (String policy : known.policies()) {
      for (String driver : known.drivers()) {
        boolean wide = invariants.length > 4 || policy.startsWith("vtd");
        cells.add(
            wide
                ? cell(SEV, policy, driver, UNSAFE, invariants)
                : cell(SEV, policy, driver, UNSAFE, I1, I4));
      }
    }
    return cells;
  }
}
