package dev.virtiolab.lab.ebs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.lab.LabException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What was run once runs the same again, whenever, wherever and by whomever it is run. */
class ReplayTest {
  private static final Duration LONG = Duration.ofSeconds(30);

  /**
   * Cells of every kind: safe, unsafe, order-dependent, on each platform, with one card and two.
   */
  private static List<Explorer.Task> tasks() {
    return List.of(
        Trials.task("sev", "requeue-callback", "virtio-net"),
        Trials.task("sev", "requeue-callback", "requeue-from-callback"),
        Trials.task("sev", "iommu-callback", "virtio-net"),
        Trials.task("vtd", "iommu-callback", "unmap-after-reset"),
        Trials.task("vtd", "vtd-off", "reset-callback"),
        Trials.task("noncoherent", "iommu-callback", "allocates"),
        Trials.task("pc", "core-hook", "no-handler"),
        Trials.task("sev", "vtd-keep", "virtio-net"),
        Trials.task("sev", "requeue-callback", "requeue-from-callback", "virtio-net"),
        Trials.task("sev", "iommu-callback", "no-handler", "reset-callback", "virtio-net"));
  }

  private static List<Cell> explored(Effort effort, List<Explorer.Task> tasks) {
    return new Trials().with(effort).explorer().explore(tasks, Explorer.Progress.NONE);
  }

  @Test
  void oneThreadOrTwoInWhateverOrderTheCellsAreTheSame() {
    List<Cell> first = explored(new Effort(false, 1, LONG), tasks());

    assertEquals(first, explored(new Effort(false, 2, LONG), tasks()));
    assertEquals(first.reversed(), explored(new Effort(false, 2, LONG), tasks().reversed()));
  }

  @Test
  void everyHistoryIsReplayedWithTheSameStepsAndTexts() {
    Explorer explorer = new Trials().explorer();
    for (Cell cell : explorer.explore(tasks(), Explorer.Progress.NONE)) {
      for (History history : cell.histories()) {
        Timeline timeline = explorer.replay(history.id());
        assertEquals(history, timeline.history());
        assertEquals(history.steps(), timeline.steps().size());
        assertEquals(timeline, explorer.replay(HistoryId.parse(history.id().toString())));
        for (Breach breach : history.breaches()) {
          assertTrue(
              timeline.steps().get(breach.step() - 1).breaks().contains(breach.invariant()),
              history.id() + " " + breach);
        }
      }
    }
  }

  @Test
  void ofAllOrdersOfACellNoneFailsAfterFewerSteps() {
    List<Cell> reduced = explored(new Effort(false, 2, LONG), tasks());
    List<Cell> full = explored(new Effort(true, 2, LONG), tasks());
    for (int i = 0; i < full.size(); i++) {
      int soonest =
          full.get(i).histories().stream()
              .mapToInt(History::stepsToFailure)
              .min()
              .orElse(Integer.MAX_VALUE);
      assertEquals(
          soonest == Integer.MAX_VALUE ? Optional.empty() : Optional.of(soonest),
          reduced.get(i).shortestFailure().map(History::stepsToFailure),
          tasks().get(i).toString());
    }
  }

  @Test
  void withAnotherSeedTheDataAreOthersAndTheVerdictsTheSame() {
    Catalogue builtIn = Catalogue.builtIn();
    List<Explorer.Task> all = new ArrayList<>();
    for (String platform : List.of("sev", "vtd")) {
      for (String policy : builtIn.policies()) {
        for (String driver : builtIn.drivers()) {
          all.add(Trials.task(platform, policy, driver));
        }
      }
    }
    List<String> expected = outcomes(1, all);
    for (long seed : new long[] {2, -7_777_777_777L}) {
      assertEquals(expected, outcomes(seed, all), "seed " + seed);
    }
  }

  private static List<String> outcomes(long seed, List<Explorer.Task> tasks) {
    Settings settings = new Settings(seed, false, false, Set.of());
    return new Trials()
        .with(settings).explorer().explore(tasks, Explorer.Progress.NONE).stream()
            .map(
                cell ->
                    "%s %s %s: %s of %d"
                        .formatted(
                            cell.platform(),
                            cell.policy(),
                            cell.driver(),
                            Trials.outcome(cell),
                            cell.orders()))
            .toList();
  }

  // ---- edk2's order

  @Test
  void edk2RunsOneOrderTheLastCreatedFirst() {
    Trials trials = new Trials().with(new Settings(1, false, true, Set.of()));
    Cell lucky = trials.cell("sev", "iommu-callback", "virtio-net");

    // The driver's event is created after the policy's, and so runs before it.
    assertEquals("safe []", Trials.outcome(lucky));
    assertEquals(1, lucky.orders());
    assertEquals(List.of("sev/iommu-callback/virtio-net/0"), names(lucky));
    assertEquals(
        "order-dependent [I1]",
        Trials.outcome(new Trials().cell("sev", "iommu-callback", "virtio-net")));
    assertEquals(
        "unsafe [I1]", Trials.outcome(trials.cell("sev", "requeue-callback", "requeue-twice")));
  }

  private static List<String> names(Cell cell) {
    return cell.histories().stream().map(history -> history.id().toString()).toList();
  }

  // ---- what cannot be replayed

  @ParameterizedTest
  @ValueSource(
      strings = {
        "sev/requeue-callback/virtio-net/2", // there are two orders: 0 and 1
        "sev/requeue-callback/virtio-net/-1",
        "sev/requeue-callback/virtio-net/99999999999",
        "sev/requeue-callback/virtio-net/-", // too short
        "sev/requeue-callback/virtio-net/0.0", // too long
        "sev/requeue-callback/virtio-net/0.",
        "sev/requeue-callback/virtio-net/",
        "sev/requeue-callback/virtio-net",
        "sev/requeue-callback/virtio-net/0/slot",
        "sev/requeue-callback/virtio-net/0/seed=x",
        "moon/requeue-callback/virtio-net/0",
        "sev/nobody/virtio-net/0",
        "sev//virtio-net/0",
        "sev/requeue-callback/nobody/0",
        "sev/requeue-callback//0",
        "sev/requeue-callback/+/0",
        "sev/requeue-callback/virtio-net+/0",
        "sev/vtd-off/virtio-net/0",
        "",
        "/////"
      })
  void whatIsNoHistoryIsRefusedInOneLine(String name) {
    Explorer explorer = new Trials().explorer();
    LabException refused =
        assertThrows(LabException.class, () -> explorer.replay(HistoryId.parse(name)), name);

    assertFalse(refused.getMessage().contains("\n"), refused.getMessage());
  }

  @Test
  void moreCardsThanABoardHasAreRefusedInOneLine() {
    String drivers = String.join("+", Collections.nCopies(40, "virtio-net"));
    HistoryId id = HistoryId.parse("sev/core-hook/" + drivers + "/0");

    assertTrue(
        assertThrows(LabException.class, () -> new Trials().explorer().replay(id))
            .getMessage()
            .contains("1 to "));
  }

  @Test
  void aHistoryThatIsCutHasOneNameToo() {
    Explorer explorer =
        new Trials()
            .policyHandler(
                seat -> {
                  throw new IllegalStateException("on purpose");
                })
            .explorer();
    HistoryId id = HistoryId.parse("sev/my-policy/virtio-net/-");

    assertTrue(explorer.replay(id).history().cut().isPresent());
    for (String other : List.of("0", "0.0", "1.0", "0.1")) {
      HistoryId none = HistoryId.parse("sev/my-policy/virtio-net/" + other);
      assertThrows(LabException.class, () -> explorer.replay(none), other);
    }
  }
}
