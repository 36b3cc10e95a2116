package dev.virtiolab.integration.ebs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.core.CoreDefect;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.ebs.Catalogue;
import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.Circumstance;
import dev.virtiolab.lab.ebs.Encounter;
import dev.virtiolab.lab.ebs.Explorer;
import dev.virtiolab.lab.ebs.Explorer.Progress;
import dev.virtiolab.lab.ebs.Explorer.Task;
import dev.virtiolab.lab.ebs.Invariant;
import dev.virtiolab.lab.ebs.Settings;
import dev.virtiolab.lab.ebs.Verdict;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** A core that is broken on purpose: what the explorer finds is something else, and says so. */
class BrokenCoreTest {
  /** Kept here: a logger that nobody holds forgets its level. */
  private static final Logger DEVICE_LOG = Logger.getLogger("dev.virtiolab.virtio");

  private static final Set<CoreDefect> IN_THE_MATRIX =
      EnumSet.complementOf(EnumSet.of(CoreDefect.KEY_UNCHECKED));

  @BeforeAll
  static void whatTheDeviceComplainsOfIsInTheHistories() {
    DEVICE_LOG.setLevel(Level.OFF);
  }

  private static Explorer explorer(CoreDefect... defects) {
    return new Explorer(Catalogue.builtIn(), new Settings(1, false, false, Set.of(defects)));
  }

  private static String outcome(Cell cell) {
    String invariants =
        cell.invariants().stream().map(Invariant::name).collect(Collectors.joining(","));
    return cell.verdict().word() + " " + (invariants.isEmpty() ? "-" : invariants);
  }

  private static Task task(String policy, String driver) {
    return new Task(PlatformKind.SEV, policy, List.of(driver));
  }

  /**
   * The same on paper. One by one, p1's teardown is run before d1 is even queued. Last first, p2
   * overtakes d1. Lowest first, the reset at CALLBACK is ahead of the teardown at NOTIFY. Not
   * locked, Unmap gives bounce buffers back to a map that is the operating system's.
   */
  @ParameterizedTest
  @CsvSource({
    "GROUP_ONE_BY_ONE,   requeue-callback,    virtio-net,            order-dependent I1",
    "LAST_QUEUED_FIRST,  requeue-callback,    virtio-net,            order-dependent I1",
    "LAST_QUEUED_FIRST,  requeue-from-notify, virtio-net,            unsafe I1",
    "LAST_QUEUED_FIRST,  iommu-callback,      requeue-from-notify,   safe -",
    "LOWEST_LEVEL_FIRST, iommu-notify,        virtio-net,            safe -",
    "LOWEST_LEVEL_FIRST, iommu-callback,      reset-notify,          unsafe I1",
    "MAP_NOT_LOCKED,     drivers-unmap,       unmap-after-reset,     'unsafe I3,I7'",
  })
  void anotherCellIsFound(CoreDefect defect, String policy, String driver, String outcome) {
    List<Task> tasks = List.of(task(policy, driver));
    Cell broken = explorer(defect).explore(tasks, Progress.NONE).getFirst();

    assertEquals(outcome, outcome(broken));
    assertNotEquals(Model.cell("sev", policy, List.of(driver)).text(), outcome);
  }

  /** A loader with a fresh key does not meet it: one with a stale key does. */
  @Test
  void aKeyThatNobodyChecksIsFoundByTheStaleOne() {
    Encounter sound = staleKey(explorer());
    assertEquals(Verdict.SAFE, sound.verdict(), sound.seen().toString());

    Encounter broken = staleKey(explorer(CoreDefect.KEY_UNCHECKED));

    assertEquals(Verdict.UNSAFE, broken.verdict());
    assertEquals(List.of(Invariant.I3, Invariant.I8), broken.invariants());
    assertTrue(
        broken.seen().contains("the call with the stale key returns SUCCESS, and should not"),
        broken.seen().toString());
  }

  private static Encounter staleKey(Explorer explorer) {
    return explorer.encounter(PlatformKind.SEV, "requeue-callback", "virtio-net").stream()
        .filter(encounter -> encounter.circumstance() == Circumstance.STALE_KEY)
        .findFirst()
        .orElseThrow();
  }

  /** Each defect, over the policies at the heart of the question. */
  @ParameterizedTest
  @EnumSource(CoreDefect.class)
  void eachDefectChangesTheMatrixOrAnEncounter(CoreDefect defect) {
    List<Task> tasks =
        List.of(
            task("drivers-unmap", "unmap-after-reset"),
            task("iommu-notify", "virtio-net"),
            task("requeue-callback", "virtio-net"));
    List<String> sound = outcomes(explorer(), tasks);
    List<String> broken = outcomes(explorer(defect), tasks);

    assertEquals(IN_THE_MATRIX.contains(defect), !sound.equals(broken), defect + ": " + broken);
  }

  private static List<String> outcomes(Explorer explorer, List<Task> tasks) {
    return explorer.explore(tasks, Progress.NONE).stream().map(BrokenCoreTest::outcome).toList();
  }
}
