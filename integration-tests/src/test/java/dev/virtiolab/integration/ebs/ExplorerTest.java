package dev.virtiolab.integration.ebs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.virtiolab.firmware.core.CoreDefect;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.ebs.Catalogue;
import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.Explorer;
import dev.virtiolab.lab.ebs.Explorer.Progress;
import dev.virtiolab.lab.ebs.Explorer.Task;
import dev.virtiolab.lab.ebs.Invariant;
import dev.virtiolab.lab.ebs.Settings;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the explorer finds by running it is what was worked out on paper. */
class ExplorerTest {

  private static Explorer explorer(CoreDefect... defects) {
    Settings usual = Settings.USUAL;
    return new Explorer(
        Catalogue.builtIn(),
        new Settings(usual.seed(), usual.slots(), usual.edk2Order(), Set.of(defects)));
  }

  private static Task task(String platform, String policy, List<String> drivers) {
    return new Task(PlatformKind.parse(platform), policy, drivers);
  }

  private static String outcome(Cell cell) {
    String invariants =
        cell.invariants().stream().map(Invariant::name).collect(Collectors.joining(","));
    return cell.verdict().word() + " " + (invariants.isEmpty() ? "-" : invariants);
  }

  @ParameterizedTest
  @ValueSource(strings = {"sev", "vtd", "noncoherent", "pc"})
  void findsTheMatrixThatWasWorkedOutByHand(String platform) {
    List<Task> tasks = new ArrayList<>();
    for (String policy : Cast.POLICIES) {
      for (String driver : Cast.DRIVERS) {
        tasks.add(task(platform, policy, List.of(driver)));
      }
    }
    Map<String, String> found = new HashMap<>();
    for (Cell cell : explorer().explore(tasks, Progress.NONE)) {
      found.put(cell.policy() + " " + cell.driver(), outcome(cell));
    }

    assertEquals(
        List.of(),
        ExpectedMatrix.differences(
            platform, (on, policy, driver) -> found.get(policy + " " + driver)));
  }

  @Test
  void findsOfEveryPairOnSevWhatTheModelFindsInAsManyOrders() {
    List<Task> tasks = new ArrayList<>();
    for (String policy : Cast.POLICIES) {
      for (String a : Cast.DRIVERS) {
        for (String b : Cast.DRIVERS) {
          if (a.compareTo(b) < 0) {
            tasks.add(task("sev", policy, List.of(a, b)));
          }
        }
      }
    }
    List<String> differences = new ArrayList<>();
    for (Cell cell : explorer().explore(tasks, Progress.NONE)) {
      Model.Cell expected = Model.cell("sev", cell.policy(), cell.drivers());
      String of = expected.text() + " of " + expected.orders();
      String found = outcome(cell) + " of " + cell.orders();
      if (!of.equals(found)) {
        differences.add(
            "%s %s: expected %s, found %s".formatted(cell.policy(), cell.driver(), of, found));
      }
    }

    assertEquals(List.of(), differences);
  }

  /**
   * The same on paper. One by one, p1's teardown is run before d1 is even queued. Last first, p2
   * overtakes d1. Lowest first, the reset at CALLBACK is ahead of the teardown at NOTIFY.
   */
  @ParameterizedTest
  @CsvSource({
    "GROUP_ONE_BY_ONE,   requeue-callback,    virtio-net,            order-dependent I1",
    "LAST_QUEUED_FIRST,  requeue-callback,    virtio-net,            order-dependent I1",
    "LAST_QUEUED_FIRST,  requeue-from-notify, virtio-net,            unsafe I1",
    "LAST_QUEUED_FIRST,  iommu-callback,      requeue-from-notify,   safe -",
    "LOWEST_LEVEL_FIRST, iommu-notify,        virtio-net,            safe -",
    "LOWEST_LEVEL_FIRST, iommu-callback,      reset-notify,          unsafe I1",
  })
  void aBrokenCoreShows(CoreDefect defect, String policy, String driver, String outcome) {
    List<Task> tasks = List.of(task("sev", policy, List.of(driver)));
    Cell broken = explorer(defect).explore(tasks, Progress.NONE).getFirst();

    assertEquals(outcome, outcome(broken));
    assertNotEquals(Model.cell("sev", policy, List.of(driver)).text(), outcome);
  }
}
