package dev.virtiolab.lab.cli;

import dev.virtiolab.firmware.uefi.Tpl;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.ebs.Breach;
import dev.virtiolab.lab.ebs.Cell;
import dev.virtiolab.lab.ebs.History;
import dev.virtiolab.lab.ebs.HistoryId;
import dev.virtiolab.lab.ebs.Invariant;
import dev.virtiolab.lab.ebs.Step;
import dev.virtiolab.lab.ebs.Timeline;
import dev.virtiolab.lab.ebs.Verdict;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** Results that no explorer has found. */
final class EbsRecords {
  private EbsRecords() {}

  /** A cell without histories. */
  static Cell cell(
      PlatformKind platform,
      String policy,
      String driver,
      Verdict verdict,
      Invariant... invariants) {
    return new Cell(
        policy, List.of(driver.split("\\+")), platform, verdict, List.of(invariants), 1, List.of());
  }

  /** requeue-callback against a driver that plays the same trick: the second order fails. */
  static Cell sameTrick() {
    return new Cell(
        "requeue-callback",
        List.of("requeue-from-callback"),
        PlatformKind.SEV,
        Verdict.ORDER_DEPENDENT,
        List.of(Invariant.I1),
        2,
        List.of(safe(), failing()));
  }

  static History safe() {
    return new History(id(0), 9, List.of(), Optional.empty());
  }

  static History failing() {
    return new History(
        id(1),
        9,
        List.of(
            new Breach(
                Invariant.I1,
                5,
                "00:04.0 writes page 0x7e35000, which requeue-callback has unmapped, while"
                    + " requeue-from-callback still waits for its second event"),
            new Breach(Invariant.I2, 6, "page 0x7e35000 is shared and nobody declared it")),
        Optional.empty());
  }

  static HistoryId id(int choice) {
    return new HistoryId(
        PlatformKind.SEV,
        "requeue-callback",
        List.of("requeue-from-callback"),
        List.of(choice),
        false,
        1);
  }

  static Timeline timeline(HistoryId id) {
    return id.equals(id(0)) ? safeTimeline() : failingTimeline();
  }

  static Timeline safeTimeline() {
    return new Timeline(
        safe(),
        List.of(
            step(1, Tpl.APPLICATION, "loader", Step.Kind.EXIT_BOOT_SERVICES, "calls", 2),
            step(2, Tpl.CALLBACK, "requeue-from-callback", Step.Kind.ENTER, "is entered", 2),
            step(3, Tpl.CALLBACK, "requeue-callback", Step.Kind.ENTER, "is entered", 2),
            step(4, Tpl.APPLICATION, "loader", Step.Kind.HAND_OFF, "has the machine", 0)),
        "");
  }

  static Timeline failingTimeline() {
    return new Timeline(
        failing(),
        List.of(
            step(
                1,
                Tpl.APPLICATION,
                "loader",
                Step.Kind.EXIT_BOOT_SERVICES,
                "calls ExitBootServices with the map's key",
                2,
                "00:04.0"),
            step(
                2,
                Tpl.CALLBACK,
                "requeue-callback",
                Step.Kind.ENTER,
                "enters its handler",
                2,
                "00:04.0"),
            step(
                3,
                Tpl.CALLBACK,
                "requeue-from-callback",
                Step.Kind.ENTER,
                "enters its handler",
                2,
                "00:04.0"),
            step(
                4,
                Tpl.CALLBACK,
                "requeue-callback",
                Step.Kind.UNMAP,
                "unmaps the receive buffer at 0x7e35000, which is private again from now on and"
                    + " reads as ciphertext to all others",
                1,
                "00:04.0"),
            step(
                5,
                Tpl.CALLBACK,
                "00:04.0",
                Step.Kind.DMA,
                "writes a frame to 0x7e35000",
                1,
                "00:04.0"),
            step(
                6, Tpl.APPLICATION, "loader", Step.Kind.HAND_OFF, "has the machine", 1, "00:04.0")),
        "The teardown ran before the driver's second event: both were queued from a handler, and"
            + " UEFI does not say whose handler is first.");
  }

  /** A policy that never ends: its first order, and no other, was run. */
  static Cell cutCell() {
    return new Cell(
        "core-hook",
        List.of("requeue-from-callback"),
        PlatformKind.SEV,
        Verdict.DOES_NOT_TERMINATE,
        List.of(Invariant.I8),
        1,
        List.of(cutTimeline(1000).history()));
  }

  /** A handler that is entered again and again until the run is cut; step 500 breaks I8. */
  static Timeline cutTimeline(int length) {
    List<Step> steps = new ArrayList<>();
    steps.add(
        step(1, Tpl.APPLICATION, "loader", Step.Kind.EXIT_BOOT_SERVICES, "calls", 2, "00:04.0"));
    for (int i = 2; i <= length; i++) {
      steps.add(step(i, Tpl.CALLBACK, "requeue-callback", Step.Kind.ENTER, "turn " + i, 2));
    }
    return new Timeline(
        new History(
            id(0),
            length,
            List.of(new Breach(Invariant.I8, 500, "the group is dispatched again")),
            Optional.of("requeue-callback signals its group for ever")),
        steps,
        "");
  }

  /** Three, two of which the first breaks something, and one of another actor. */
  static Timeline withRegisterWrites() {
    List<Step> steps = new ArrayList<>();
    for (int i = 1; i <= 6; i++) {
      steps.add(
          new Step(
              i,
              Tpl.CALLBACK,
              i == 6 ? "virtio-net" : "requeue-callback",
              Step.Kind.REGISTER,
              "writes register " + i,
              List.of(),
              0,
              i == 4 ? List.of(Invariant.I4) : List.of()));
    }
    steps.add(step(7, Tpl.APPLICATION, "loader", Step.Kind.HAND_OFF, "has the machine", 0));
    List<Breach> breaches = List.of(new Breach(Invariant.I4, 4, "too early"));
    return new Timeline(new History(id(0), 7, breaches, Optional.empty()), steps, "");
  }

  private static Step step(
      int number, int tpl, String actor, Step.Kind kind, String text, int open, String... live) {
    return new Step(number, tpl, actor, kind, text, Arrays.asList(live), open, List.of());
  }
}
