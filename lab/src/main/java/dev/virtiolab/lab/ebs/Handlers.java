package dev.virtiolab.lab.ebs;

import dev.virtiolab.firmware.core.CoreEvent;
import dev.virtiolab.firmware.core.DispatchObserver;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;

/**
 * Whose handler runs, and what it touches: by that, orders that come to the same are told. Looks
 * after I8, too.
 */
final class Handlers implements DispatchObserver, Orders.Listener {
  /** What a handler may touch that is not a card. */
  static final String EVERYTHING = "everything";

  static final String EVENTS = "events";
  static final String MEMORY_MAP = "memory map";
  static final String MAPPINGS = "mappings";
  static final String HANDLES = "handles";

  /**
   * An event's maker, and which of the maker's it is.
   *
   * @param number from 1 in order of creation; 0 for a member of a group, which goes by the group
   */
  private record Note(String owner, int number) {}

  private final Log log;
  private final Gaps gaps;
  private final Map<CoreEvent, Note> notes = new IdentityHashMap<>();
  private final Map<String, Integer> made = new HashMap<>();
  private final Map<CoreEvent, Integer> dispatches = new IdentityHashMap<>();
  private final Map<CoreEvent, Set<String>> footprints = new IdentityHashMap<>();
  private final Map<CoreEvent, Span> spans = new IdentityHashMap<>();
  private final Deque<CoreEvent> running = new ArrayDeque<>();

  private long calledKey;
  private LongSupplier currentKey = () -> 0;
  private boolean past;
  private boolean keyWasCurrent;

  /** The steps that a handler took: from after {@code before} to {@code last}. */
  record Span(int before, int last) {
    int steps() {
      return last - before;
    }

    boolean has(int step) {
      return step > before && step <= last;
    }
  }

  Handlers(Log log, Gaps gaps) {
    this.log = log;
    this.gaps = gaps;
  }

  /** An event was created by {@code owner}. */
  void created(CoreEvent event, String owner) {
    int number = event.group() == null ? made.merge(owner, 1, Integer::sum) : 0;
    notes.put(event, new Note(owner, number));
  }

  String owner(CoreEvent event) {
    Note note = notes.get(event);
    return note == null ? Log.CORE : note.owner;
  }

  /** Such as {@code the handler of requeue-callback}, or {@code event 1 of requeue-callback}. */
  String describe(CoreEvent event) {
    Note note = notes.get(event);
    if (note == null) {
      return event.toString();
    }
    return (note.number == 0 ? "the handler of " : "event " + note.number + " of ") + note.owner;
  }

  /** As whoever acts would say it. */
  String named(CoreEvent event) {
    return owner(event).equals(log.actor()) ? describeOwn(event) : describe(event);
  }

  private String describeOwn(CoreEvent event) {
    Note note = notes.get(event);
    return note == null || note.number == 0 ? "its handler" : "its event " + note.number;
  }

  /** Such as {@code requeue-callback at CALLBACK}. */
  private String place(CoreEvent event) {
    return owner(event) + " at " + levelName(event.notifyTpl());
  }

  // ---- dispatching

  /**
   * ExitBootServices is called.
   *
   * @param key which it is called with
   * @param current tells the memory map's
   */
  void called(long key, LongSupplier current) {
    calledKey = key;
    currentKey = current;
  }

  @Override
  public void signalled(UUID group, List<CoreEvent> order) {
    if (group.equals(EventGroups.EXIT_BOOT_SERVICES) && running.isEmpty()) {
      past = true;
      keyWasCurrent = calledKey == currentKey.getAsLong();
    }
    log.step(
        Log.CORE,
        Step.Kind.SIGNAL,
        () ->
            "queues the group %s: %s"
                .formatted(
                    nameOf(group),
                    order.stream().map(this::place).collect(Collectors.joining(", "))));
  }

  static String nameOf(UUID group) {
    if (group.equals(EventGroups.EXIT_BOOT_SERVICES)) {
      return "ExitBootServices";
    }
    if (group.equals(EventGroups.BEFORE_EXIT_BOOT_SERVICES)) {
      return "BeforeExitBootServices";
    }
    if (group.equals(EventGroups.EXIT_BOOT_SERVICES_FAILED)) {
      return "ExitBootServicesFailed";
    }
    return group.toString();
  }

  @Override
  public void entered(CoreEvent event) {
    int times = event.group() == null ? 0 : dispatches.merge(event, 1, Integer::sum);
    if (!gaps.areOpen()) {
      return;
    }
    gaps.before();
    running.push(event);
    // Handlers of one maker know what is in each other's fields, and in the maker's memory.
    touch(owner(event));
    log.enter(owner(event));
    spans.putIfAbsent(event, new Span(log.steps(), Integer.MAX_VALUE));
    log.step(Step.Kind.ENTER, () -> "enters " + describeOwn(event));
    if (event.group() != null) {
      checkDispatch(event, times);
    }
  }

  private void checkDispatch(CoreEvent event, int times) {
    boolean exitBoot = event.group().equals(EventGroups.EXIT_BOOT_SERVICES);
    boolean before = event.group().equals(EventGroups.BEFORE_EXIT_BOOT_SERVICES);
    if (times > 1 && (exitBoot || before)) {
      log.breach(
          Invariant.I8,
          () ->
              "%s of the group %s runs for the second time"
                  .formatted(describe(event), nameOf(event.group())));
    }
    if (exitBoot && !keyWasCurrent) {
      log.breach(Invariant.I8, () -> describe(event) + " runs, and the key has not been accepted");
    }
  }

  @Override
  public void left(CoreEvent event) {
    if (!gaps.areOpen()) {
      return;
    }
    log.step(Step.Kind.LEAVE, () -> "leaves " + describeOwn(event));
    spans.computeIfPresent(
        event,
        (any, span) -> span.last == Integer.MAX_VALUE ? new Span(span.before, log.steps()) : span);
    running.pop();
    log.leave();
    gaps.after();
  }

  /** Whether the core is past the key check: it has signalled the group. */
  boolean isPastKeyCheck() {
    return past;
  }

  /** Whether a handler runs. */
  boolean isRunning() {
    return !running.isEmpty();
  }

  /** The steps of its first run; null if it has not run. */
  Span span(CoreEvent event) {
    return spans.get(event);
  }

  /** How often a member of {@code group} has run. */
  int dispatches(UUID group) {
    return dispatches.entrySet().stream()
        .filter(entry -> group.equals(entry.getKey().group()))
        .mapToInt(Map.Entry::getValue)
        .sum();
  }

  // ---- footprints

  /** Whoever runs now, and whomever that has interrupted, touches {@code what}. */
  void touch(String what) {
    for (CoreEvent event : running) {
      footprints.computeIfAbsent(event, any -> new HashSet<>()).add(what);
    }
  }

  /** Whether it makes a difference which of the two runs first, going by what they touched. */
  boolean dependent(CoreEvent a, CoreEvent b) {
    Set<String> ofA = footprints.getOrDefault(a, Set.of());
    Set<String> ofB = footprints.getOrDefault(b, Set.of());
    if (ofA.isEmpty() || ofB.isEmpty()) {
      return false;
    }
    return ofA.contains(EVERYTHING)
        || ofB.contains(EVERYTHING)
        || ofA.stream().anyMatch(ofB::contains);
  }

  /** The level as people call it. */
  static String levelName(int tpl) {
    return switch (tpl) {
      case Tpl.APPLICATION -> "APPLICATION";
      case Tpl.CALLBACK -> "CALLBACK";
      case Tpl.NOTIFY -> "NOTIFY";
      case Tpl.HIGH_LEVEL -> "HIGH_LEVEL";
      default -> Integer.toString(tpl);
    };
  }
}
