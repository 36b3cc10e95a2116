package dev.virtiolab.firmware.core;

import dev.virtiolab.firmware.uefi.Tpl;
import java.util.ArrayDeque;

/** Notifications that wait to run: one first-in first-out queue per task priority level. */
final class NotifyQueue {
  private final ArrayDeque<CoreEvent>[] levels = newLevels();

  /** Bit n is set while level n has somebody in its queue. */
  private int pending;

  private final boolean lastFirst;
  private final boolean lowestFirst;

  NotifyQueue(CoreSetup setup) {
    lastFirst = setup.has(CoreDefect.LAST_QUEUED_FIRST);
    lowestFirst = setup.has(CoreDefect.LOWEST_LEVEL_FIRST);
  }

  /** Puts the event at the end of its level's queue; one that is queued already moves there. */
  void append(CoreEvent event) {
    remove(event);
    levels[event.notifyTpl()].addLast(event);
    event.queued = true;
    pending |= 1 << event.notifyTpl();
  }

  /** Takes the event out, if it is in. */
  void remove(CoreEvent event) {
    if (!event.queued) {
      return;
    }
    levels[event.notifyTpl()].remove(event);
    taken(event);
  }

  /** Takes the first of a level, or returns null. */
  CoreEvent takeFirst(int level) {
    CoreEvent event = lastFirst ? levels[level].pollLast() : levels[level].pollFirst();
    if (event != null) {
      taken(event);
    }
    return event;
  }

  /** The highest level above {@code floor} with somebody in its queue, or -1. */
  int nextAbove(int floor) {
    int above = pending & -2 << floor;
    if (lowestFirst) {
      // Not asked on behalf of who is running: what is above him would come before him.
      return floor > Tpl.APPLICATION || above == 0 ? -1 : Integer.numberOfTrailingZeros(above);
    }
    return 31 - Integer.numberOfLeadingZeros(above);
  }

  private void taken(CoreEvent event) {
    event.queued = false;
    if (levels[event.notifyTpl()].isEmpty()) {
      pending &= ~(1 << event.notifyTpl());
    }
  }

  @SuppressWarnings({"unchecked", "rawtypes"})
  private static ArrayDeque<CoreEvent>[] newLevels() {
    ArrayDeque<CoreEvent>[] levels = new ArrayDeque[Tpl.HIGH_LEVEL + 1];
    for (int level = 0; level < levels.length; level++) {
      levels[level] = new ArrayDeque<>();
    }
    return levels;
  }
}
