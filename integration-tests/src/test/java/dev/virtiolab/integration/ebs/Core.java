package dev.virtiolab.integration.ebs;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** The queues of the firmware's core: who runs next. */
final class Core {
  private final Map<Level, Deque<Event>> queues = new EnumMap<>(Level.class);
  private final Runnable gap;
  private Level current = Level.APPLICATION;

  /**
   * @param gap called where a handler is entered and left
   */
  Core(Runnable gap) {
    this.gap = gap;
    queues.put(Level.NOTIFY, new ArrayDeque<>());
    queues.put(Level.CALLBACK, new ArrayDeque<>());
  }

  /**
   * Signals one event. It goes to the end of its queue; above the current level it runs before this
   * returns; while it waits already, nothing happens.
   */
  void signal(Event event) {
    if (!event.signalled) {
      event.signalled = true;
      append(event);
      runAbove(current);
    }
  }

  /** Signals a group: all members are queued before any of them runs. */
  void signalGroup(List<Event> members) {
    members.forEach(this::append);
    runAbove(current);
  }

  private void append(Event event) {
    Deque<Event> queue = queues.get(event.level);
    queue.remove(event);
    queue.addLast(event);
  }

  private void runAbove(Level level) {
    for (Event next = highestAbove(level); next != null; next = highestAbove(level)) {
      next.signalled = false;
      current = next.level;
      gap.run();
      next.function.run();
      gap.run();
    }
    current = level;
  }

  private Event highestAbove(Level level) {
    Event next = null;
    if (level.compareTo(Level.NOTIFY) < 0) {
      next = queues.get(Level.NOTIFY).pollFirst();
    }
    if (next == null && level.compareTo(Level.CALLBACK) < 0) {
      next = queues.get(Level.CALLBACK).pollFirst();
    }
    return next;
  }
}
