package dev.virtiolab.lab.cli;

import static dev.virtiolab.iommu.PlatformKind.SEV;
import static dev.virtiolab.iommu.PlatformKind.VTD;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.ebs.Catalogue;
import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.Circumstance;
import dev.virtiolab.lab.ebs.Encounter;
import dev.virtiolab.lab.ebs.History;
import dev.virtiolab.lab.ebs.Invariant;
import dev.virtiolab.lab.ebs.Report;
import dev.virtiolab.lab.ebs.Settings;
import dev.virtiolab.lab.ebs.Step;
import dev.virtiolab.lab.ebs.Timeline;
import dev.virtiolab.lab.ebs.Verdict;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class EbsStoryTest {

  @Test
  void aCellThatDependsOnOrderIsToldByItsShortestFailureAndTheOrderThatIsSafe() {
    List<String> story =
        EbsStory.of(EbsRecords.sameTrick(), Settings.USUAL, EbsRecords::timeline, "vlab ebs");

    assertEquals(
        """
        requeue-callback with requeue-from-callback on sev: order-dependent
          some orders break an invariant, and UEFI promises none
          I1  while a device is live, it reaches nothing outside its open mappings
          2 orders are allowed by UEFI, 2 run, of which 1 fails

        The shortest history that fails is sev/requeue-callback/requeue-from-callback/1
          handlers: requeue-callback (CALLBACK), requeue-from-callback (CALLBACK)
          ! marks the step at which an invariant is first seen to break

          1  APPLICATION  loader                 calls ExitBootServices with the map's key
          2  CALLBACK     requeue-callback       enters its handler
          3  CALLBACK     requeue-from-callback  enters its handler
          4  CALLBACK     requeue-callback       unmaps the receive buffer at 0x7e35000, which is private
                                                 again from now on and reads as ciphertext to all others
        ! 5  CALLBACK     00:04.0                writes a frame to 0x7e35000
             I1 breaks: 00:04.0 writes page 0x7e35000, which requeue-callback has unmapped, while
                        requeue-from-callback still waits for its second event
        ! 6  APPLICATION  loader                 has the machine
             I2 breaks: page 0x7e35000 is shared and nobody declared it

        The OS finds 1 mapping open, and 00:04.0 live
          I2  page 0x7e35000 is shared and nobody declared it

        Why: The teardown ran before the driver's second event: both were queued from a handler, and UEFI
             does not say whose handler is first.

        Safe is sev/requeue-callback/requeue-from-callback/0, which is edk2's order
          handlers: requeue-from-callback (CALLBACK), requeue-callback (CALLBACK)

        Run again: vlab ebs --replay sev/requeue-callback/requeue-from-callback/1
        """
            .lines()
            .toList(),
        story);
    assertTrue(Text.longest(story) <= Text.WIDTH);
  }

  @Test
  void aSafeCellIsToldByItsFirstOrder() {
    Cell cell =
        new Cell(
            "requeue-callback",
            List.of("requeue-from-callback"),
            SEV,
            Verdict.SAFE,
            List.of(),
            1,
            List.of(EbsRecords.safe()));

    assertEquals(
        """
        requeue-callback with requeue-from-callback on sev: safe
          no order breaks an invariant
          1 order is allowed by UEFI, 1 run, of which none fails

        Safe is sev/requeue-callback/requeue-from-callback/0, which is edk2's order
          handlers: requeue-from-callback (CALLBACK), requeue-callback (CALLBACK)

        Run again: vlab ebs --with My.java --replay sev/requeue-callback/requeue-from-callback/0
        """
            .lines()
            .toList(),
        EbsStory.of(cell, Settings.USUAL, EbsRecords::timeline, "vlab ebs --with My.java"));
  }

  @Test
  void whatIsNotApplicableHasNoHistory() {
    assertEquals(
        List.of(
            "vtd-off with virtio-net on sev: not-applicable",
            "  the policy is for boards with a DMA remapping unit"),
        EbsStory.of(
            EbsRecords.cell(SEV, "vtd-off", "virtio-net", Verdict.NOT_APPLICABLE),
            Settings.USUAL,
            EbsRecords::timeline,
            "vlab ebs"));
  }

  @Test
  void aRunThatWasCutSaysWhyAndWhatTheOsFindsIsNotSaid() {
    Timeline whole = EbsRecords.safeTimeline();
    History cut =
        new History(
            EbsRecords.id(0), 3, List.of(), Optional.of("virtio-net signals its group for ever"));
    List<Step> steps = whole.steps().subList(0, 3);

    List<String> story = EbsStory.of(new Timeline(cut, steps, cut.cut().get()));

    assertEquals(
        "The OS never gets the machine: virtio-net signals its group for ever", story.getLast());
    assertTrue(story.stream().noneMatch(line -> line.startsWith("The OS finds")));
  }

  @Test
  void ofALongRunThatWasCutTheBeginningTheEndAndWhatBreaksAreTold() {
    Timeline cut = EbsRecords.cutTimeline(1000);

    List<String> story = EbsStory.of(cut);
    List<String> turns = story.stream().filter(line -> line.contains("  turn ")).toList();

    assertEquals(
        "  handlers: " + "requeue-callback (CALLBACK), ".repeat(12).strip() + " and 987 more",
        story.stream()
            .takeWhile(line -> !line.startsWith("  !"))
            .map(String::strip)
            .collect(Collectors.joining(" ", "  ", "")));
    assertEquals(EbsStory.MOST_STEPS, turns.size(), "but for the first step, and with step 500");
    assertTrue(turns.getFirst().endsWith("turn 2"));
    assertTrue(turns.getLast().endsWith("turn 1000"));
    assertTrue(turns.stream().anyMatch(line -> line.startsWith("!  500  ")));
    assertEquals(
        List.of(
            "  ... 409 steps are left out here; --replay with --json prints them all",
            "  ... 470 steps are left out here; --replay with --json prints them all"),
        story.stream().filter(line -> line.contains("left out")).toList());
    assertEquals(1000, turns.size() + 1 + 409 + 470);
    assertTrue(Text.longest(story) <= Text.WIDTH);
  }

  @Test
  void aRunThatWasCutAndIsShortIsToldInFull() {
    List<String> story = EbsStory.of(EbsRecords.cutTimeline(EbsStory.MOST_STEPS));

    assertEquals(
        EbsStory.MOST_STEPS - 1, story.stream().filter(line -> line.contains("  turn ")).count());
    assertTrue(story.stream().noneMatch(line -> line.contains("left out")));
  }

  @Test
  void aCellThatWasCutDoesNotClaimThatEveryOrderWasRun() {
    List<String> one =
        EbsStory.of(
            EbsRecords.cutCell(), Settings.USUAL, id -> EbsRecords.cutTimeline(1000), "vlab ebs");
    Cell cell = EbsRecords.cutCell();
    Cell several =
        new Cell(
            cell.policy(),
            cell.drivers(),
            cell.platform(),
            cell.verdict(),
            cell.invariants(),
            2,
            List.of(cell.histories().getFirst(), EbsRecords.failing()));

    assertTrue(one.contains("  the first order was cut: others were not tried"), one::toString);
    assertTrue(
        EbsStory.of(several, Settings.USUAL, id -> EbsRecords.cutTimeline(1000), "vlab ebs")
            .contains("  2 orders were run and 1 of them cut: not every other was tried"));
    assertEquals(
        List.of(
            "2 cells, 2 orders run of the 2 that UEFI allows; 1.0 s",
            "In 1 of them a run was cut: not every order was tried there"),
        closing(cell, EbsRecords.sameTrick()));
    assertEquals("1 cell; 1.0 s", closing(cell).getFirst());
  }

  private static List<String> closing(Cell... cells) {
    List<String> lines =
        EbsText.overview(
            new Report(Settings.USUAL, List.of(cells), List.of()),
            false,
            Catalogue.builtIn(),
            1,
            "vlab ebs");
    return lines.subList(lines.size() - 3, lines.size() - 1);
  }

  @Test
  void anOsThatFindsNothingIsSaid() {
    assertEquals(
        "The OS finds no mapping open, and no device live",
        EbsStory.of(EbsRecords.safeTimeline()).getLast());
  }

  @Test
  void registerWritesThatFollowOneAnotherAreOneStepOfAStoryAndAllOfAReplay() {
    Timeline many = EbsRecords.withRegisterWrites();
    Cell cell = EbsRecords.sameTrick();

    List<String> story = EbsStory.of(cell, Settings.USUAL, id -> many, "vlab ebs");
    List<String> replay = EbsStory.of(many);

    assertEquals(
        """
          1  CALLBACK     requeue-callback  writes register 1, and 2 more up to step 3
        ! 4  CALLBACK     requeue-callback  writes register 4, and 1 more up to step 5
             I4 breaks: too early
          6  CALLBACK     virtio-net        writes register 6
          7  APPLICATION  loader            has the machine
        """
            .lines()
            .toList(),
        story.stream().filter(line -> line.matches("[! ] ( {3}I\\d|\\d  ).*")).toList());
    for (int i = 1; i <= 6; i++) {
      String text = "writes register " + i;
      assertEquals(1, replay.stream().filter(line -> line.endsWith(text)).count(), text);
    }
  }

  @Test
  void edk2sOrderIsNotSaidToBeAllThatUefiAllows() {
    List<String> story =
        EbsStory.of(
            EbsRecords.sameTrick(),
            new Settings(1, false, true, Set.of()),
            EbsRecords::timeline,
            "vlab ebs");

    assertTrue(story.contains("  no other order was run"));
    assertTrue(story.stream().noneMatch(line -> line.contains("allowed by UEFI")));
    Settings edk2 = new Settings(1, false, true, Set.of());
    assertEquals("edk2's order breaks an invariant", Verdict.UNSAFE.meaning(edk2));
    assertEquals("edk2's order breaks no invariant", Verdict.SAFE.meaning(edk2));
    for (Verdict verdict : Verdict.values()) {
      assertEquals(verdict.meaning(), verdict.meaning(Settings.USUAL));
    }
  }

  @Test
  void levelsHaveTheirNames() {
    assertEquals("APPLICATION", EbsStory.level(4));
    assertEquals("CALLBACK", EbsStory.level(8));
    assertEquals("NOTIFY", EbsStory.level(16));
    assertEquals("HIGH_LEVEL", EbsStory.level(31));
    assertEquals("level 9", EbsStory.level(9));
  }

  @Test
  void whatPlatformsHaveInCommonIsSaidOnce() {
    List<Encounter> encounters =
        List.of(
            encounter(SEV, Circumstance.STALE_KEY, Verdict.SAFE, "no handler ran"),
            encounter(
                SEV,
                Circumstance.CALLED_AT_NOTIFY,
                Verdict.UNSAFE,
                "all ran",
                Invariant.I4,
                Invariant.I8),
            encounter(VTD, Circumstance.STALE_KEY, Verdict.SAFE, "no handler ran"),
            encounter(VTD, Circumstance.CALLED_AT_NOTIFY, Verdict.SAFE, "none ran"));

    assertEquals(
        """
        ExitBootServices called otherwise, requeue-callback with virtio-net:
          called with a stale map key, then with the right one, on sev and vtd: safe
            no handler ran
          called at TPL_NOTIFY, which UEFI forbids, on sev: unsafe I4 I8
            all ran
          called at TPL_NOTIFY, which UEFI forbids, on vtd: safe
            none ran
        """
            .lines()
            .toList(),
        EbsStory.ofEncounters(encounters));
  }

  private static Encounter encounter(
      PlatformKind platform,
      Circumstance circumstance,
      Verdict verdict,
      String seen,
      Invariant... invariants) {
    return new Encounter(
        circumstance,
        "requeue-callback",
        "virtio-net",
        platform,
        verdict,
        List.of(invariants),
        List.of(seen));
  }
}
