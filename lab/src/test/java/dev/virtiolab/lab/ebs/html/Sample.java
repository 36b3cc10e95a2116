package dev.virtiolab.lab.ebs.html;

import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.ebs.Breach;
import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.Circumstance;
import dev.virtiolab.lab.ebs.Encounter;
import dev.virtiolab.lab.ebs.History;
import dev.virtiolab.lab.ebs.HistoryId;
import dev.virtiolab.lab.ebs.Invariant;
import dev.virtiolab.lab.ebs.Report;
import dev.virtiolab.lab.ebs.Settings;
import dev.virtiolab.lab.ebs.Step;
import dev.virtiolab.lab.ebs.Step.Kind;
import dev.virtiolab.lab.ebs.Timeline;
import dev.virtiolab.lab.ebs.Verdict;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** A report as large as the real one, with made-up findings. */
final class Sample {
  static final List<String> POLICIES =
      List.of(
          "drivers-unmap",
          "iommu-callback",
          "iommu-notify",
          "requeue-callback",
          "requeue-from-notify",
          "requeue-to-notify",
          "requeue-twice",
          "core-hook",
          "vtd-keep",
          "vtd-off",
          "bus-master-off",
          "before-exit");
  static final List<String> DRIVERS =
      List.of(
          "virtio-net",
          "reset-callback",
          "reset-notify",
          "requeue-from-callback",
          "requeue-from-notify",
          "requeue-twice",
          "quiesce-before-exit",
          "unmap-after-reset",
          "unmap-before-reset",
          "no-handler",
          "allocates",
          "never-maps");

  /** A policy, and a driver, of somebody who means no good. */
  static final String HOSTILE = "</script><img src=x onerror=\"a('&amp;')\">]]> \u2028\ud800";

  private static final int MAPPINGS = 6;
  private static final int CALLBACK = 8;
  private static final int NOTIFY = 16;

  private Sample() {}

  /** Every policy with every driver on two platforms, pairs on one, and the other ways to call. */
  static Report whole() {
    List<Cell> cells = new ArrayList<>();
    for (PlatformKind platform : List.of(PlatformKind.VTD, PlatformKind.SEV)) {
      for (String policy : POLICIES) {
        for (int i = 0; i < DRIVERS.size(); i++) {
          cells.add(cell(platform, policy, List.of(DRIVERS.get(i))));
          for (int j = i; j < DRIVERS.size() && platform == PlatformKind.SEV; j++) {
            cells.add(cell(platform, policy, pair(DRIVERS.get(i), DRIVERS.get(j))));
          }
        }
      }
    }
    List<Encounter> encounters = new ArrayList<>();
    for (Circumstance circumstance : Circumstance.values()) {
      encounters.add(
          new Encounter(
              circumstance,
              "requeue-callback",
              "virtio-net",
              PlatformKind.SEV,
              Verdict.SAFE,
              List.of(),
              List.of("the first call returned EFI_INVALID_PARAMETER", "no handler ran")));
    }
    return new Report(Settings.USUAL, cells, encounters);
  }

  static Report of(Cell... cells) {
    return new Report(Settings.USUAL, List.of(cells), List.of());
  }

  private static List<String> pair(String a, String b) {
    return a.compareTo(b) <= 0 ? List.of(a, b) : List.of(b, a);
  }

  static Cell cell(PlatformKind platform, String policy, List<String> drivers) {
    if (policy.startsWith("vtd") && platform != PlatformKind.VTD) {
      return cell(platform, policy, drivers, Verdict.NOT_APPLICABLE);
    }
    if (policy.equals("core-hook") || drivers.equals(List.of("quiesce-before-exit"))) {
      return cell(platform, policy, drivers, Verdict.SAFE);
    }
    Verdict[] some = {Verdict.UNSAFE, Verdict.ORDER_DEPENDENT, Verdict.UNSAFE, Verdict.SAFE};
    int pick = Math.floorMod((policy + drivers).hashCode(), 41);
    return cell(platform, policy, drivers, pick == 0 ? Verdict.DOES_NOT_TERMINATE : some[pick % 4]);
  }

  static Cell cell(PlatformKind platform, String policy, List<String> drivers, Verdict verdict) {
    boolean failing = verdict != Verdict.SAFE && verdict != Verdict.NOT_APPLICABLE;
    List<History> histories = new ArrayList<>();
    if (verdict != Verdict.NOT_APPLICABLE) {
      for (int order = 0; order < 2; order++) {
        boolean fails = failing && (order == 1 || verdict != Verdict.ORDER_DEPENDENT);
        histories.add(history(id(platform, policy, drivers, order), fails, verdict));
      }
    }
    return new Cell(
        policy,
        drivers,
        platform,
        verdict,
        failing ? List.of(Invariant.I1, Invariant.I9) : List.of(),
        verdict == Verdict.NOT_APPLICABLE ? 0 : 6,
        histories);
  }

  private static HistoryId id(
      PlatformKind platform, String policy, List<String> drivers, int order) {
    return new HistoryId(platform, policy, drivers, List.of(order), false, 1);
  }

  private static History history(HistoryId id, boolean fails, Verdict verdict) {
    return new Script(id, fails, verdict).history();
  }

  /** What {@code Explorer.replay} is for the real thing. */
  static Timeline replay(HistoryId id) {
    Cell cell = cell(id.platform(), id.policy(), id.drivers());
    boolean fails = cell.histories().get(id.choices().getFirst()).fails();
    return new Script(id, fails, cell.verdict()).timeline();
  }

  /** A history of a whole number of steps, for a page of its own. */
  static Timeline replay(HistoryId id, boolean fails, Verdict verdict) {
    return new Script(id, fails, verdict).timeline();
  }

  /** Plays a policy that comes after the drivers, or, where it fails, in the middle of them. */
  private static final class Script {
    private final HistoryId id;
    private final boolean fails;
    private final Verdict verdict;
    private final List<Step> steps = new ArrayList<>();
    private final List<Breach> breaches = new ArrayList<>();
    private final List<String> live = new ArrayList<>();
    private int open;

    Script(HistoryId id, boolean fails, Verdict verdict) {
      this.id = id;
      this.fails = fails;
      this.verdict = verdict;
      for (int i = 0; i < id.drivers().size(); i++) {
        live.add("00:0" + (4 + i) + ".0");
        open += MAPPINGS;
      }
      play();
    }

    History history() {
      Optional<String> cut =
          verdict == Verdict.DOES_NOT_TERMINATE
              ? Optional.of("after 10000 events the group is still being signalled")
              : Optional.empty();
      return new History(id, steps.size(), breaches, cut);
    }

    Timeline timeline() {
      String reason =
          fails
              ? id.policy() + " unmaps while " + id.drivers().getFirst() + " has a live device."
              : "";
      return new Timeline(history(), steps, reason);
    }

    private void play() {
      step(4, "loader", Kind.EXIT_BOOT_SERVICES, "calls ExitBootServices(0x2f1)");
      step(NOTIFY, "core", Kind.SIGNAL, "EFI_EVENT_GROUP_EXIT_BOOT_SERVICES");
      dma();
      List<String> drivers = id.drivers();
      for (int i = 0; i < drivers.size(); i++) {
        step(CALLBACK, drivers.get(i), Kind.ENTER, "ExitBootServices handler");
        dma();
        if (fails && i == 0) {
          policy(NOTIFY);
        }
        step(CALLBACK, drivers.get(i), Kind.REGISTER, "device_status = 0");
        String device = live.isEmpty() ? "00:04.0" : live.removeFirst();
        step(CALLBACK, device, Kind.QUIET, "its queues are stopped");
        dma();
        step(CALLBACK, drivers.get(i), Kind.LEAVE, "returns");
        dma();
      }
      if (!fails) {
        policy(CALLBACK);
      }
      step(4, "loader", Kind.HAND_OFF, "the operating system has the machine");
    }

    private void policy(int tpl) {
      step(tpl, id.policy(), Kind.ENTER, "second event");
      dma();
      for (int i = 0; open > 0; i++) {
        open--;
        step(tpl, id.policy(), Kind.UNMAP, "RX buffers, page 0x%x".formatted(0x7e10 + i));
        dma();
      }
      step(tpl, id.policy(), Kind.LEAVE, "returns");
    }

    private void dma() {
      for (String device : List.copyOf(live)) {
        boolean breaks = fails && breaches.isEmpty() && open < MAPPINGS * id.drivers().size();
        String text = breaks ? "writes 0x7e10000, which is not mapped" : "writes 0x7e10000";
        if (breaks) {
          breaches.add(
              new Breach(
                  Invariant.I1,
                  steps.size() + 1,
                  device + " is live and writes a page that " + id.policy() + " took away"));
          breaches.add(new Breach(Invariant.I9, steps.size() + 1, "taken down twice"));
        }
        steps.add(
            new Step(
                steps.size() + 1,
                4,
                device,
                Kind.DMA,
                text,
                List.copyOf(live),
                open,
                breaks ? List.of(Invariant.I1, Invariant.I9) : List.of()));
      }
    }

    private void step(int tpl, String actor, Kind kind, String text) {
      steps.add(
          new Step(steps.size() + 1, tpl, actor, kind, text, List.copyOf(live), open, List.of()));
    }
  }
}
