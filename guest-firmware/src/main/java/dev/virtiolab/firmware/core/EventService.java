package dev.virtiolab.firmware.core;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.EventNotify;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.UUID;

/**
 * Events: UEFI Specification 2.10, 7.1.1 "EFI_BOOT_SERVICES.CreateEvent()" to 7.1.6
 * "EFI_BOOT_SERVICES.CheckEvent()"; edk2's Event.c. Whatever is signalled is queued with the level
 * at HIGH_LEVEL, and runs when the level is restored ({@link TplService}).
 */
final class EventService {
  private final TplService tpl;
  private final NotifyQueue queue;
  private final GroupOrder groupOrder;
  private final boolean oneByOne;

  /** Events that notify on signal, in order of creation; a group is walked from the end. */
  private final List<CoreEvent> signalList = new ArrayList<>();

  private long nextSerial;

  EventService(TplService tpl, NotifyQueue queue, CoreSetup setup) {
    this.tpl = tpl;
    this.queue = queue;
    groupOrder = setup.groupOrder();
    oneByOne = setup.has(CoreDefect.GROUP_ONE_BY_ONE);
  }

  EfiStatus create(
      int type, int notifyTpl, EventNotify notify, Object context, UUID group, Ref<Event> event) {
    if (event == null || !isLegal(type)) {
      return EfiStatus.INVALID_PARAMETER;
    }
    int effectiveType = type;
    UUID effectiveGroup = group;
    if (group == null) {
      if (type == EventType.SIGNAL_EXIT_BOOT_SERVICES) {
        effectiveGroup = EventGroups.EXIT_BOOT_SERVICES;
      } else if (type == EventType.SIGNAL_VIRTUAL_ADDRESS_CHANGE) {
        effectiveGroup = EventGroups.VIRTUAL_ADDRESS_CHANGE;
      }
    } else if (type == EventType.SIGNAL_EXIT_BOOT_SERVICES
        || type == EventType.SIGNAL_VIRTUAL_ADDRESS_CHANGE) {
      return EfiStatus.INVALID_PARAMETER;
    } else if (group.equals(EventGroups.EXIT_BOOT_SERVICES)) {
      effectiveType = EventType.SIGNAL_EXIT_BOOT_SERVICES;
    } else if (group.equals(EventGroups.VIRTUAL_ADDRESS_CHANGE)) {
      effectiveType = EventType.SIGNAL_VIRTUAL_ADDRESS_CHANGE;
    }
    if ((effectiveType & (EventType.NOTIFY_WAIT | EventType.NOTIFY_SIGNAL)) == 0) {
      event.value = add(effectiveType, 0, null, null, effectiveGroup);
      return EfiStatus.SUCCESS;
    }
    if (notify == null || (notifyTpl != Tpl.CALLBACK && notifyTpl != Tpl.NOTIFY)) {
      return EfiStatus.INVALID_PARAMETER;
    }
    event.value = add(effectiveType, notifyTpl, notify, context, effectiveGroup);
    return EfiStatus.SUCCESS;
  }

  /** Makes an event without checks: the core's own may notify at any level. */
  CoreEvent add(int type, int notifyTpl, EventNotify notify, Object context, UUID group) {
    CoreEvent event = new CoreEvent(nextSerial++, type, notifyTpl, notify, context, group);
    if (event.notifiesOnSignal()) {
      int old = tpl.raise(Tpl.HIGH_LEVEL);
      signalList.add(event);
      tpl.restore(old);
    }
    return event;
  }

  EfiStatus signal(Event userEvent) {
    CoreEvent event = valid(userEvent);
    if (event == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    int old = tpl.raise(Tpl.HIGH_LEVEL);
    if (!event.signalled) {
      event.signalled = true;
      if (event.notifiesOnSignal()) {
        if (event.group() != null) {
          queueGroup(event.group());
        } else {
          queue.append(event);
        }
      }
    }
    tpl.restore(old);
    return EfiStatus.SUCCESS;
  }

  /** Queues all members of a group before any of them runs, whether they are signalled or not. */
  void signalGroup(UUID group) {
    if (oneByOne) {
      signalOneByOne(group);
      return;
    }
    int old = tpl.raise(Tpl.HIGH_LEVEL);
    queueGroup(group);
    tpl.restore(old);
  }

  /** {@link CoreDefect#GROUP_ONE_BY_ONE}. */
  private void signalOneByOne(UUID group) {
    for (CoreEvent member : inOrder(group)) {
      int old = tpl.raise(Tpl.HIGH_LEVEL);
      queue.append(member);
      tpl.restore(old);
    }
  }

  EfiStatus check(Event userEvent) {
    CoreEvent event = valid(userEvent);
    if (event == null || event.notifiesOnSignal()) {
      return EfiStatus.INVALID_PARAMETER;
    }
    tpl.takeInterrupt();
    if (!event.signalled && event.notifiesOnWait()) {
      // The function looks whether its condition holds, and signals the event if so.
      int old = tpl.raise(Tpl.HIGH_LEVEL);
      queue.append(event);
      tpl.restore(old);
    }
    if (!event.signalled) {
      return EfiStatus.NOT_READY;
    }
    event.signalled = false;
    return EfiStatus.SUCCESS;
  }

  /** Closes an event that is no timer or whose timer is cancelled; if it is queued, it leaves. */
  EfiStatus close(Event userEvent) {
    CoreEvent event = valid(userEvent);
    if (event == null) {
      return EfiStatus.INVALID_PARAMETER;
    }
    int old = tpl.raise(Tpl.HIGH_LEVEL);
    queue.remove(event);
    signalList.remove(event);
    event.closed = true;
    tpl.restore(old);
    return EfiStatus.SUCCESS;
  }

  /** The event, or null for one that is null, closed or not of this core's making. */
  static CoreEvent valid(Event event) {
    return event instanceof CoreEvent mine && !mine.closed ? mine : null;
  }

  private void queueGroup(UUID group) {
    if (hasMembers(group)) { // else no list is made: the map changes with every page taken
      inOrder(group).forEach(queue::append);
    }
  }

  private List<CoreEvent> inOrder(UUID group) {
    List<CoreEvent> members = new ArrayList<>();
    for (int i = signalList.size() - 1; i >= 0; i--) {
      if (group.equals(signalList.get(i).group())) {
        members.add(signalList.get(i));
      }
    }
    List<CoreEvent> order = groupOrder.order(group, List.copyOf(members));
    if (order.size() != members.size() || !new HashSet<>(order).containsAll(members)) {
      throw new IllegalStateException(
          "no permutation of the group's members: members=" + members + " order=" + order);
    }
    return order;
  }

  private boolean hasMembers(UUID group) {
    for (int i = 0; i < signalList.size(); i++) {
      if (group.equals(signalList.get(i).group())) {
        return true;
      }
    }
    return false;
  }

  /** The eight types that there are. */
  private static boolean isLegal(int type) {
    return switch (type) {
      case 0,
          EventType.NOTIFY_WAIT,
          EventType.NOTIFY_SIGNAL,
          EventType.SIGNAL_EXIT_BOOT_SERVICES,
          EventType.SIGNAL_VIRTUAL_ADDRESS_CHANGE,
          EventType.TIMER,
          EventType.TIMER | EventType.NOTIFY_WAIT,
          EventType.TIMER | EventType.NOTIFY_SIGNAL ->
          true;
      default -> false;
    };
  }
}
