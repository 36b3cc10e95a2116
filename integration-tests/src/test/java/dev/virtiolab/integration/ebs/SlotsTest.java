package dev.virtiolab.integration.ebs;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.ebs.Catalogue;
import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.Explorer;
import dev.virtiolab.lab.ebs.Explorer.Progress;
import dev.virtiolab.lab.ebs.Explorer.Task;
import dev.virtiolab.lab.ebs.Settings;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What today's reserved slots change. A common buffer that lies in a slot is garbage to the guest
 * once the slot's C-bit is set, since no byte is converted: what the device wrote there is lost,
 * under every policy that releases the slots. Slots themselves are declared, and the known
 * exception to I5.
 */
class SlotsTest {
  /** Kept here: a logger that nobody holds forgets its level. */
  private static final Logger DEVICE_LOG = Logger.getLogger("dev.virtiolab.virtio");

  @BeforeAll
  static void whatTheDeviceComplainsOfIsInTheHistories() {
    DEVICE_LOG.setLevel(Level.OFF);
  }

  private static List<Cell> explored(boolean slots, List<Task> tasks) {
    Settings settings = new Settings(1, slots, false, Set.of());
    return new Explorer(Catalogue.builtIn(), settings).explore(tasks, Progress.NONE);
  }

  private static String outcome(Cell cell) {
    return cell.verdict().word() + " " + cell.invariants();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // policy | driver | slots off | slots on
        "core-hook        | virtio-net            | safe []              | unsafe [I6]",
        "core-hook        | reset-callback        | safe []              | unsafe [I6]",
        "core-hook        | unmap-after-reset     | safe []              | unsafe [I6]",
        "requeue-callback | virtio-net            | safe []              | unsafe [I6]",
        "requeue-callback | requeue-from-callback | order-dependent [I1] | unsafe [I1, I6]",
        "iommu-notify     | virtio-net            | unsafe [I1]          | unsafe [I1, I6]",
        "drivers-unmap    | unmap-after-reset     | safe []              | safe []",
        "drivers-unmap    | virtio-net            | unsafe [I2, I5, I9]  | unsafe [I2, I9]",
        "core-hook        | never-maps            | unsafe [I1]          | unsafe [I1]",
      })
  void onSevACommonBufferInASlotIsLost(String policy, String driver, String off, String on) {
    List<Task> tasks = List.of(new Task(PlatformKind.SEV, policy, List.of(driver)));

    assertEquals(off, outcome(explored(false, tasks).getFirst()));
    assertEquals(on, outcome(explored(true, tasks).getFirst()));
  }

  @Test
  void whereNothingIsEncryptedThereAreNone() {
    List<Task> tasks = new ArrayList<>();
    for (String policy : List.of("drivers-unmap", "requeue-callback", "vtd-off")) {
      for (String driver : List.of("virtio-net", "requeue-from-callback", "unmap-after-reset")) {
        tasks.add(new Task(PlatformKind.VTD, policy, List.of(driver)));
      }
    }
    List<String> off = explored(false, tasks).stream().map(SlotsTest::outcome).toList();

    assertEquals(off, explored(true, tasks).stream().map(SlotsTest::outcome).toList());
  }
}
