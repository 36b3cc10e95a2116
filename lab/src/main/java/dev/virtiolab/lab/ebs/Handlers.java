package dev.virtiolab.lab.ebs;

import dev.virtiolab.firmware.core.CoreEvent;
import dev.virtiolab.firmware.core.DispatchObserver;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;

/** Whose handlers run, told by who made their events; and how often, which is I8. */
final class Handlers implements DispatchObserver, Orders.Listener {
  /**
   * An event's maker, and which of the maker's it is.
   *
   * @param number from 1 in order of creation; 0 for a member of a group, which goes by the group
   */
  private record Note(String owner, int number) {}

  private final Log log;
  private final Gaps gaps;
  private final Footprints footprints;
  private final Map<CoreEvent, Note> notes = new IdentityHashMap<>();
  private final Map<String, Integer> made = new HashMap<>();
  private final Map<CoreEvent, Integer> dispatches = new IdentityHashMap<>();

  private long calledKey;
  private LongSupplier currentKey = () -> 0;
  private boolean past;
  private boolean keyWasCurrent;

  Handlers(Log log, Gaps gaps, Footprints footprints) {
    this.log = log;
    this.gaps = gaps;
    this.footprints = footprints;
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
    if (group.equals(EventGroups.EXIT_BOOT_SERVICES) && !footprints.isAnyRunning()) {
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
    footprints.entered(event, log.steps());
    // Handlers of one maker know what is in each other's fields, and in the maker's memory.
    footprints.touch(owner(event));
    log.enter(owner(event));
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
    footprints.left(event, log.steps());
    log.leave();
    gaps.after();
  }

  /** Whether the core is past the key check: it has signalled the group. */
  boolean isPastKeyCheck() {
    return past;
  }

  /** How often a member of {@code group} has run. */
  int dispatches(UUID group) {
    return dispatches.entrySet().stream()
        .filter(entry -> group.equals(entry.getKey().group()))
        .mapToInt(Map.Entry::getValue)
        .sum();
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
