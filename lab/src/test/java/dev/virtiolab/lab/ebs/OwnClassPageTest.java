package dev.virtiolab.lab.ebs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.exitboot.driver.Drivers;
import dev.virtiolab.firmware.exitboot.policy.Policies;
import dev.virtiolab.lab.ebs.OwnClassPage.Promise;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What docs/your-own-policy.md shows can be done, and comes out as it says. */
class OwnClassPageTest {
  @TempDir private Path folder;

  private final Catalogue catalogue = new Catalogue();
  private OwnClassPage page;

  @BeforeEach
  void takeExamplesFromThePage() throws IOException {
    page = OwnClassPage.read();
    Policies.builtIn().forEach(catalogue::addPolicy);
    Drivers.builtIn().forEach(catalogue::addDriver);
    for (String name : page.examples().keySet()) {
      OwnClass.in(page.write(name, folder)).addTo(catalogue);
    }
  }

  @Test
  void eachExampleCompilesAndHasTheNameThatThePageUses() {
    assertEquals(
        List.of("MuteThenUnmap", "ResetToNotify", "AskAgain"),
        List.copyOf(page.examples().keySet()));
    assertTrue(catalogue.policies().containsAll(List.of("mute-then-unmap", "ask-again")));
    assertTrue(catalogue.drivers().contains("reset-to-notify"));
  }

  @Test
  void eachVerdictIsWhatTheExplorerFinds() {
    assertEquals(11, page.promises().size(), "rows of the tables");
    List<Explorer.Task> tasks = page.promises().stream().map(Promise::task).toList();

    List<Cell> cells =
        new Explorer(catalogue, Settings.USUAL).explore(tasks, Explorer.Progress.NONE);

    List<Promise> found =
        cells.stream()
            .map(
                cell ->
                    new Promise(
                        new Explorer.Task(cell.platform(), cell.policy(), cell.drivers()),
                        cell.verdict().word(),
                        cell.invariants().stream().map(Invariant::name).toList()))
            .toList();
    assertEquals(lines(page.promises()), lines(found));
  }

  private static String lines(List<Promise> promises) {
    return String.join("\n", promises.stream().map(Promise::toString).toList());
  }
}
