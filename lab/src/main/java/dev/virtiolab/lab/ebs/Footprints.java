package dev.virtiolab.lab.ebs;

import dev.virtiolab.firmware.core.CoreEvent;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Set;

/**
 * What each handler of a run has touched, and which of its steps were that handler's. By that,
 * orders that come to the same are told.
 */
final class Footprints {
  /** What a handler may touch that is not a card, nor its maker's. */
  static final String EVERYTHING = "everything";

  static final String EVENTS = "events";
  static final String MEMORY_MAP = "memory map";
  static final String MAPPINGS = "mappings";
  static final String HANDLES = "handles";

  /** The steps that a handler took: from after {@code before} to {@code last}. */
  record Span(int before, int last) {
    int steps() {
      return last - before;
    }

    boolean has(int step) {
      return step > before && step <= last;
    }
  }

  private final Deque<CoreEvent> running = new ArrayDeque<>();
  private final Map<CoreEvent, Set<String>> touched = new IdentityHashMap<>();
  private final Map<CoreEvent, Span> spans = new IdentityHashMap<>();

  /**
   * A handler runs from here on.
   *
   * @param step the number of the step before
   */
  void entered(CoreEvent event, int step) {
    running.push(event);
    spans.putIfAbsent(event, new Span(step, Integer.MAX_VALUE));
  }

  /**
   * It does not run any more.
   *
   * @param step the number of its last step
   */
  void left(CoreEvent event, int step) {
    running.pop();
    spans.computeIfPresent(
        event, (any, span) -> span.last == Integer.MAX_VALUE ? new Span(span.before, step) : span);
  }

  /** Whether a handler runs. */
  boolean isAnyRunning() {
    return !running.isEmpty();
  }

  /** Whoever runs now, and whomever that has interrupted, touches {@code what}. */
  void touch(String what) {
    for (CoreEvent event : running) {
      touched.computeIfAbsent(event, any -> new HashSet<>()).add(what);
    }
  }

  /** Whether it makes a difference which of the two runs first, going by what they touched. */
  boolean dependent(CoreEvent a, CoreEvent b) {
    Set<String> ofA = touched.getOrDefault(a, Set.of());
    Set<String> ofB = touched.getOrDefault(b, Set.of());
    if (ofA.isEmpty() || ofB.isEmpty()) {
      return false;
    }
    return ofA.contains(EVERYTHING)
        || ofB.contains(EVERYTHING)
        || ofA.stream().anyMatch(ofB::contains);
  }

  /** The steps of its first run; null if it has not run. */
  Span span(CoreEvent event) {
    return spans.get(event);
  }
}
