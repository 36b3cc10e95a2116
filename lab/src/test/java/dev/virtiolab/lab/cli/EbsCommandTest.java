package dev.virtiolab.lab.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code vlab ebs} asked for what cannot be. */
class EbsCommandTest {

  @Test
  void unknownNamesAreOneLineWithTheKnownOnes() {
    assertTrue(complaint("--policy", "nobody").contains("requeue-callback, "));
    assertTrue(complaint("--driver", "nobody").contains("virtio-net, "));
    assertTrue(complaint("--platform", "moon").contains("sev"));
    assertEquals("--order is edk2 or all, not qemu", complaint("--order", "qemu"));
  }

  @Test
  void aReplayIsAskedForByItsNameAlone() {
    String id = "sev/requeue-callback/virtio-net/0";
    String[][] others = {
      {"--policy", "core-hook"}, {"--driver", "allocates"}, {"--platform", "vtd"}, {"--pairs"},
      {"--triples"}, {"--order", "edk2"}, {"--slots"}, {"--seed", "2"}
    };
    for (String[] other : others) {
      String[] all =
          Stream.concat(Stream.of("--replay", id), Stream.of(other)).toArray(String[]::new);
      assertTrue(complaint(all).startsWith("--replay names policy"), String.join(" ", all));
    }
  }

  @Test
  void aReplayThatIsNoneIsRefused() {
    assertEquals(
        "a history is named like sev/requeue-callback/virtio-net/0, not yesterday",
        complaint("--replay", "yesterday"));
    assertTrue(complaint("--replay", "sev/nobody/virtio-net/0").startsWith("--policy is one of"));
    assertTrue(complaint("--replay", "sev/core-hook/nobody/0").startsWith("--driver is one of"));
  }

  @Test
  void aTraceIsOfOneHistory(@TempDir Path folder) {
    Path file = folder.resolve("trace.json");
    Path nowhere = folder.resolve("no/such/folder");

    assertEquals(
        "--trace is of one history: name it with --replay", complaint("--trace", file.toString()));
    assertEquals(
        "cannot write --trace " + nowhere,
        complaint("--replay", "sev/core-hook/virtio-net/0", "--trace", nowhere.toString()));
  }

  @Test
  void aPageIsOfCellsAndCanBeWritten(@TempDir Path folder) {
    Path nowhere = folder.resolve("no/such/folder");

    assertEquals("cannot write --html " + nowhere, complaint("--html", nowhere.toString()));
    assertEquals("cannot write --html " + folder, complaint("--html", folder.toString()));
    assertEquals(
        "--html shows cells: of one history there is --trace",
        complaint(
            "--replay", "sev/core-hook/virtio-net/0", "--html", folder.resolve("p").toString()));
  }

  @Test
  void aClassOfOnesOwnThatIsNotThereIsRefused() {
    assertTrue(complaint("--with", "Nothing.java").contains("Nothing.java"));
  }

  /** What it says on standard error, in one line, with exit code 2. */
  private static String complaint(String... options) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    String[] arguments = Stream.concat(Stream.of("ebs"), Stream.of(options)).toArray(String[]::new);

    int exitCode = Main.execute(new PrintWriter(out), new PrintWriter(err), arguments);

    assertEquals(2, exitCode, err.toString());
    assertEquals("", out.toString());
    assertEquals(1, err.toString().lines().count(), err.toString());
    assertTrue(err.toString().startsWith("vlab: "), err.toString());
    return err.toString().substring("vlab: ".length()).strip();
  }
}
