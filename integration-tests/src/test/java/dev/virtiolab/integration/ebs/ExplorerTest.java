package dev.virtiolab.integration.ebs;

import static org.junit.jupiter.api.Assertions.assertEquals;

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
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the explorer finds by running it is what was worked out on paper. */
class ExplorerTest {

  /** Kept here: a logger that nobody holds forgets its level. */
  private static final Logger DEVICE_LOG = Logger.getLogger("dev.virtiolab.virtio");

  @BeforeAll
  static void whatTheDeviceComplainsOfIsInTheHistories() {
    DEVICE_LOG.setLevel(Level.OFF);
  }

  private static Explorer explorer() {
    return new Explorer(Catalogue.builtIn(), Settings.USUAL);
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
}
