package dev.virtiolab.lab.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.LabException;
import dev.virtiolab.lab.ebs.Catalogue;
import dev.virtiolab.lab.ebs.Explorer.Task;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

class EbsPlanTest {
  private static final int POLICIES = 12;
  private static final int DRIVERS = 12;
  private static final int PAIRS = DRIVERS * (DRIVERS + 1) / 2;
  private static final int TRIPLES = DRIVERS * (DRIVERS + 1) * (DRIVERS + 2) / 6;

  @Test
  void byDefaultEachPolicyMeetsEachDriverOnSevAndVtdAndEachPairOnSev() {
    EbsPlan plan = plan();

    assertEquals(POLICIES * (DRIVERS + PAIRS), count(plan, PlatformKind.SEV));
    assertEquals(POLICIES * DRIVERS, count(plan, PlatformKind.VTD));
    assertEquals(plan.cells().size(), new HashSet<>(plan.cells()).size(), "none twice");
    assertTrue(plan.summarized());
    assertFalse(plan.single());
  }

  @Test
  void aPairIsSortedByNameAndADriverMeetsItself() {
    List<Task> cells = plan("--policy", "core-hook").cells();

    for (Task cell : cells) {
      assertEquals(cell.drivers().stream().sorted().toList(), cell.drivers());
    }
    Task itself = new Task(PlatformKind.SEV, "core-hook", List.of("virtio-net", "virtio-net"));
    assertTrue(cells.contains(itself), "a+a");
  }

  @Test
  void cellsComeByPlatformThenPolicyThenHowManyCards() {
    List<Task> cells = plan("--policy", "vtd-off,core-hook", "--platform", "vtd,sev").cells();

    int all = DRIVERS + PAIRS;
    assertEquals(2 * DRIVERS + 2 * all, cells.size());
    assertEquals(new Task(PlatformKind.VTD, "vtd-off", List.of("virtio-net")), cells.getFirst());
    assertEquals("core-hook", cells.get(DRIVERS).policy());
    assertEquals(PlatformKind.SEV, cells.get(2 * DRIVERS).platform());
    assertEquals(1, cells.get(2 * DRIVERS + DRIVERS - 1).drivers().size());
    assertEquals(2, cells.get(2 * DRIVERS + DRIVERS).drivers().size());
  }

  @Test
  void optionsMayBeGivenAgainAndNamesTwice() {
    EbsPlan plan =
        plan("--policy", "core-hook", "--policy", "core-hook,vtd-off", "--driver", "no-handler");

    assertEquals(2 * 2, plan.cells().size());
  }

  @Test
  void allIsEveryPlatform() {
    EbsPlan plan = plan("--platform", "all", "--policy", "core-hook", "--driver", "no-handler");

    assertEquals(
        List.of(PlatformKind.values()), plan.cells().stream().map(Task::platform).toList());
  }

  @Test
  void pairsCanBeLeftAwayOrRunOnEveryPlatformThatIsNamed() {
    assertEquals(2 * POLICIES * DRIVERS, plan("--no-pairs").cells().size());
    assertEquals(
        POLICIES * (DRIVERS + PAIRS),
        plan("--pairs", "--platform", "vtd").cells().size(),
        "pairs on vtd");
    assertEquals(POLICIES * DRIVERS, plan("--platform", "vtd").cells().size(), "none on vtd");
    assertEquals(plan().cells(), plan("--pairs").cells(), "as by default");
  }

  @Test
  void triplesAreRunOnRequest() {
    assertEquals(
        DRIVERS + PAIRS + TRIPLES,
        plan("--triples", "--policy", "core-hook", "--platform", "sev").cells().size());
    assertEquals(
        DRIVERS + TRIPLES,
        plan("--triples", "--no-pairs", "--policy", "core-hook", "--platform", "sev")
            .cells()
            .size());
  }

  @Test
  void machinesThatAreNamedAreSortedAndRunOnce() {
    EbsPlan plan =
        plan(
            "--policy=core-hook",
            "--platform=sev",
            "--driver=virtio-net+no-handler,no-handler+virtio-net",
            "--driver=virtio-net+allocates+never-maps");

    assertEquals(
        List.of(
            List.of("no-handler", "virtio-net"), List.of("allocates", "never-maps", "virtio-net")),
        plan.cells().stream().map(Task::drivers).toList());
    assertFalse(plan.summarized(), "they are shown one by one");
  }

  @Test
  void onePolicyAndOneMachineIsAStory() {
    assertTrue(plan("--policy", "core-hook", "--driver", "allocates+no-handler").single());
    assertFalse(plan("--policy", "core-hook", "--driver", "allocates,no-handler").single());
    assertFalse(plan("--policy", "core-hook").single());
  }

  @Test
  void whatEdk2AdoptedIsCalledInEveryCircumstance() {
    List<Task> encounters = plan().encounters();

    assertEquals(
        List.of(
            new Task(PlatformKind.SEV, "requeue-callback", List.of("virtio-net")),
            new Task(PlatformKind.VTD, "requeue-callback", List.of("virtio-net"))),
        encounters);
    assertEquals(List.of(), plan("--policy", "core-hook").encounters());
    assertEquals(
        List.of(),
        plan("--policy", "requeue-callback", "--driver", "virtio-net").encounters(),
        "one cell is one cell");
  }

  @Test
  void anUnknownNameIsAnsweredWithTheKnownOnes() {
    assertEquals(
        "--policy is one of " + String.join(", ", known().policies()) + ", not nobody",
        complaint("--policy", "nobody"));
    assertEquals(
        "--driver is one of " + String.join(", ", known().drivers()) + ", not nobody",
        complaint("--driver", "virtio-net+nobody"));
    assertEquals(
        "--platform: unknown platform 'moon'; known are: pc, vtd, noncoherent, sev, or all",
        complaint("--platform", "sev,moon"));
  }

  @Test
  void anEmptyNameIsUnknown() {
    assertTrue(complaint("--driver", "virtio-net+").startsWith("--driver is one of "));
  }

  @Test
  void moreThanThreeCardsAreRefused() {
    assertEquals(
        "--driver: a machine has at most 3 cards, not allocates+allocates+allocates+allocates",
        complaint("--driver", "allocates+allocates+allocates+allocates"));
  }

  @Test
  void pairsOfEveryDriverAndDriversByNameContradictEachOther() {
    String complaint =
        "--pairs and --triples are about every driver: --driver names its own, such as a+b";
    for (String option : List.of("--pairs", "--no-pairs", "--triples")) {
      assertEquals(complaint, complaint("--driver", "virtio-net", option));
    }
  }

  @Test
  void anOptionThatIsGivenIsNamed() {
    assertEquals(Optional.empty(), options().given());
    for (String option : List.of("--policy", "--driver", "--platform")) {
      assertEquals(Optional.of(option), options(option + "=x").given());
    }
    for (String option : List.of("--pairs", "--no-pairs", "--triples")) {
      assertEquals(Optional.of(option), options(option).given());
    }
  }

  private static Catalogue known() {
    return Catalogue.builtIn();
  }

  private static EbsPlanOptions options(String... arguments) {
    return CommandLine.populateCommand(new EbsPlanOptions(), arguments);
  }

  private static EbsPlan plan(String... arguments) {
    return options(arguments).toPlan(known());
  }

  private static String complaint(String... arguments) {
    LabException complaint = assertThrows(LabException.class, () -> plan(arguments));
    assertEquals(LabException.USAGE, complaint.exitCode());
    return complaint.getMessage();
  }

  private static long count(EbsPlan plan, PlatformKind platform) {
    return plan.cells().stream().filter(cell -> cell.platform() == platform).count();
  }
}
