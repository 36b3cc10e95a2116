package dev.virtiolab.lab.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.virtiolab.lab.ebs.Invariant;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code vlab ebs}: what it refuses, and what it prints of machines that run. */
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
      {"--policy", "core-hook"},
      {"--driver", "allocates"},
      {"--platform", "vtd"},
      {"--pairs"},
      {"--no-pairs"},
      {"--triples"},
      {"--order", "edk2"},
      {"--slots"},
      {"--seed", "2"}
    };
    for (String[] other : others) {
      String[] all =
          Stream.concat(Stream.of("--replay", id), Stream.of(other)).toArray(String[]::new);
      assertEquals("leave out %s: --replay already names it".formatted(other[0]), complaint(all));
    }
  }

  @Test
  void aReplayThatIsNoneIsRefused() {
    assertEquals(
        "a history is named like sev/requeue-callback/virtio-net/0, not yesterday",
        complaint("--replay", "yesterday"));
    assertTrue(
        complaint("--replay", "sev/nobody/virtio-net/0")
            .startsWith("--replay: there is no policy nobody; known are drivers-unmap, "));
    assertTrue(
        complaint("--replay", "sev/core-hook/nobody/0")
            .startsWith("--replay: there is no driver nobody; known are virtio-net, "));
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

  // ---- machines that run

  @Test
  void theMatrixIsOfWhatWasAskedForAndFitsATerminal() {
    List<String> lines =
        run("--driver", "virtio-net,no-handler", "--policy", "core-hook,vtd-off").lines().toList();

    assertEquals(
        """
        sev        vtd-off
            core-hook    |
        virtio-net  .    -
        no-handler  x14  -

        vtd        vtd-off
            core-hook    |
        virtio-net  .    x129
        no-handler  x14  x12469
        """
            .lines()
            .toList(),
        lines.subList(2, 11));
    assertTrue(lines.contains("I1  " + Invariant.I1.meaning()));
    assertTrue(Text.longest(lines) <= Text.WIDTH);
    assertTrue(
        lines.get(lines.size() - 2).startsWith("8 cells, 7 orders run of the 7 that UEFI allows; "),
        lines::toString);
    assertTrue(lines.getLast().contains("vlab ebs --policy P --driver D"));
  }

  @Test
  void whatEdk2AdoptedIsDefeatedByADriverThatPlaysTheSameTrick() {
    String story =
        run("--policy=requeue-callback", "--driver=requeue-from-callback", "--platform=sev");

    assertTrue(story.startsWith("requeue-callback with requeue-from-callback on sev: order-dep"));
    assertTrue(story.contains("fails is sev/requeue-callback/requeue-from-callback/1"), story);
    assertTrue(story.contains("\n      I1 breaks: "), story);
    assertTrue(story.contains("\nWhy: "), story);
    assertTrue(story.contains("Safe is sev/requeue-callback/requeue-from-callback/0"), story);
    assertTrue(Text.longest(story.lines().toList()) <= Text.WIDTH, story);
  }

  @Test
  void theSameSeedPrintsTheSameBytesAndAnotherSeedOthers() {
    String[] asked = {"--json", "--policy=drivers-unmap,iommu-callback", "--driver=virtio-net"};
    String once = run(asked);

    assertEquals(once, run(asked));
    assertFalse(once.equals(run(with(asked, "--seed=2"))));
    assertTrue(run(with(asked, "--seed=2")).contains("virtio-net/-/seed=2\""));
  }

  @Test
  void slotsAndOrderAreAsAskedFor() {
    String[] asked = {"--json", "--policy=iommu-callback", "--driver=virtio-net", "--platform=sev"};

    assertTrue(run(asked).contains("\"verdict\" : \"order-dependent\""));
    String edk2 = run(with(asked, "--order", "edk2"));
    assertTrue(edk2.contains("\"orders_run\" : 1"), edk2);
    assertTrue(edk2.contains("\"order\" : \"edk2\""), edk2);
    assertTrue(run(with(asked, "--slots")).contains("/slots\""));
  }

  @Test
  void aHistoryIsReplayedAndTraced(@TempDir Path folder) throws IOException {
    String id = "vtd/requeue-callback/requeue-from-callback/1";
    Path trace = folder.resolve("trace.json");

    String told = run("--replay", id);
    String traced = run("--replay", id, "--trace", trace.toString());

    assertTrue(told.startsWith(id + ": an invariant breaks\n"), told);
    assertEquals(told, traced);
    JsonNode events = JsonMapper.shared().readTree(Files.readString(trace));
    assertTrue(events.toString().contains("\"reset\""), "the device's reset is in the timeline");
    assertEquals(
        id,
        JsonMapper.shared()
            .readTree(run("--replay", id, "--json"))
            .get("history")
            .get("id")
            .asString());
  }

  @Test
  void aTraceThatCannotBeWrittenIsNoSuccess() {
    Path full = Path.of("/dev/full");
    assumeTrue(Files.exists(full), "a Linux");
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();

    int exitCode =
        Main.execute(
            new PrintWriter(out),
            new PrintWriter(err),
            "ebs",
            "--replay",
            "sev/requeue-callback/requeue-from-callback/1",
            "--trace",
            full.toString());

    assertEquals(1, exitCode);
    assertTrue(out.toString().contains("The OS finds "), out.toString());
  }

  @Test
  void aPageIsWritten(@TempDir Path folder) throws IOException {
    Path page = folder.resolve("page.html");

    run("--policy=core-hook", "--driver=virtio-net", "--html", page.toString());

    assertTrue(Files.readString(page).contains("sev/core-hook/virtio-net/"));
  }

  @Test
  void onesOwnPolicyIsAColumnAndItsFileIsNamedWhereAHistoryIs(@TempDir Path folder)
      throws IOException {
    Path file = folder.resolve("Nobody.java");
    Files.writeString(
        file,
        """
        import dev.virtiolab.firmware.iommu.TeardownPolicy;
        import dev.virtiolab.firmware.iommu.TeardownSeat;
        import dev.virtiolab.firmware.uefi.EfiStatus;
        public final class Nobody implements TeardownPolicy {
          @Override public String name() { return "nobody"; }
          @Override public String title() { return "nobody does"; }
          @Override public EfiStatus arm(TeardownSeat seat) { return EfiStatus.SUCCESS; }
        }
        """);

    String matrix =
        run("--with", file.toString(), "--policy=nobody,core-hook", "--driver=no-handler");
    String story = run("--with", file.toString(), "--policy=nobody", "--driver=no-handler");

    assertTrue(matrix.contains("  nobody     nobody does\n"), matrix);
    assertTrue(matrix.contains("vlab ebs --with " + file + " --policy P"), matrix);
    assertTrue(
        story.contains("vlab ebs --with " + file + " --replay sev/nobody/no-handler/"), story);
  }

  @Test
  void anInterruptEndsItWithOneLine() {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();

    Thread.currentThread().interrupt();
    int exitCode = Main.execute(new PrintWriter(out), new PrintWriter(err), "ebs");

    assertFalse(Thread.interrupted(), "the interrupt is used up");
    assertEquals(130, exitCode);
    assertEquals("", out.toString());
    assertEquals("vlab: interrupted\n", err.toString());
  }

  private static String[] with(String[] options, String... more) {
    return Stream.concat(Stream.of(options), Stream.of(more)).toArray(String[]::new);
  }

  /** What it prints, with exit code 0 and nothing on standard error. */
  private static String run(String... options) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();

    int exitCode =
        Main.execute(
            new PrintWriter(out), new PrintWriter(err), with(new String[] {"ebs"}, options));

    assertEquals(0, exitCode, err.toString());
    assertEquals("", err.toString());
    return out.toString();
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
