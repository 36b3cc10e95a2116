package dev.virtiolab.lab.ebs;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * What happens in a run: the steps, who took them, and what broke.
 *
 * <p>Steps are counted always, and kept with their words only where somebody wants to read them.
 */
final class Log {
  /** Who acts while nobody else does. */
  static final String LOADER = "loader";

  static final String CORE = "core";

  /** What the machine looks like, as every step tells it. */
  interface Scene {
    int tpl();

    List<String> live();

    int openMappings();
  }

  private final boolean detailed;
  private final Listener listener;
  private final List<Step> steps = new ArrayList<>();
  private final Map<Invariant, Breach> breaches = new LinkedHashMap<>();
  private final Deque<String> actors = new ArrayDeque<>();
  private Scene scene;
  private boolean recording;
  private RunCut cut;
  private int number;

  /** Told of every step that is kept, and of what broke, after it has been counted. */
  @FunctionalInterface
  interface Listener {
    void told(String actor, String what);
  }

  /** A log of which nobody wants to know the steps. */
  Log() {
    this(false, (actor, what) -> {});
  }

  /**
   * @param detailed whether steps are kept, and the listener told of them
   */
  Log(boolean detailed, Listener listener) {
    this.detailed = detailed;
    this.listener = listener;
    actors.push(LOADER);
  }

  /** From here on steps count. */
  void begin(Scene machine) {
    scene = machine;
    recording = true;
  }

  boolean isRecording() {
    return recording;
  }

  // ---- who acts

  String actor() {
    return actors.peek();
  }

  void enter(String actor) {
    actors.push(actor);
  }

  void leave() {
    actors.pop();
  }

  // ---- what happens

  /** A step of whoever acts now. */
  void step(Step.Kind kind, Supplier<String> text) {
    step(actor(), kind, text);
  }

  void step(String actor, Step.Kind kind, Supplier<String> text) {
    if (!recording) {
      return;
    }
    number++;
    if (detailed) {
      String what = text.get();
      listener.told(actor, what);
      steps.add(
          new Step(
              number,
              scene.tpl(),
              actor,
              kind,
              what,
              scene.live(),
              scene.openMappings(),
              List.of()));
    }
  }

  // ---- the end of what does not end

  /**
   * Ends the run: to be thrown. Whoever catches it gains nothing: what comes later is no part of
   * the history, and the first reason stands.
   */
  RunCut cut(String why) {
    if (cut == null) {
      cut = new RunCut(why);
      recording = false;
    }
    return cut;
  }

  /** Throws again what somebody has caught. */
  void endIfCut() {
    if (cut != null) {
      throw cut;
    }
  }

  /** Why the run was ended; empty: it was not. */
  Optional<String> whyCut() {
    return Optional.ofNullable(cut).map(RunCut::getMessage);
  }

  /** The number of the last step. */
  int steps() {
    return number;
  }

  boolean isBroken(Invariant invariant) {
    return breaches.containsKey(invariant);
  }

  /** An invariant was seen broken at the last step; what breaks again is not news. */
  void breach(Invariant invariant, Supplier<String> text) {
    if (recording && !isBroken(invariant)) {
      Breach breach = new Breach(invariant, number, text.get());
      breaches.put(invariant, breach);
      if (detailed) {
        listener.told(invariant + " breaks", breach.text());
      }
    }
  }

  List<Breach> breaches() {
    return List.copyOf(breaches.values());
  }

  /** The steps, each with what broke at it; empty if they were not kept. */
  List<Step> told() {
    return steps.stream().map(this::withBreaks).toList();
  }

  private Step withBreaks(Step step) {
    List<Invariant> broken =
        breaches.values().stream()
            .filter(breach -> breach.step() == step.number())
            .map(Breach::invariant)
            .toList();
    return new Step(
        step.number(),
        step.tpl(),
        step.actor(),
        step.kind(),
        step.text(),
        step.live(),
        step.openMappings(),
        broken);
  }
}
