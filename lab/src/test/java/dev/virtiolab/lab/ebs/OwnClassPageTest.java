package dev.virtiolab.lab.ebs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.exitboot.driver.Drivers;
import dev.virtiolab.firmware.exitboot.policy.Policies;
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
    assertEquals(11, page.promises().size(), "rows of the tables");
  }
}
