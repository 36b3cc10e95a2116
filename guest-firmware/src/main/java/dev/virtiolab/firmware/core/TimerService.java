package dev.virtiolab.firmware.core;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.TimerDelay;
import dev.virtiolab.firmware.uefi.Tpl;
import dev.virtiolab.pci.cpu.CpuClock;
import java.util.ArrayList;
import java.util.List;

/**
 * Timer events: UEFI Specification 2.10, 7.1.7 "EFI_BOOT_SERVICES.SetTimer()"; edk2's Timer.c.
 *
 * <p>The machine has a one-shot timer, set to the first expiry in the list. Its interrupt is not
 * asynchronous: it is taken, once due, at one of the next places where interrupts are enabled and
 * the firmware calls the core: where the TPL falls (from HIGH_LEVEL always, from a lower level a
 * few times later at most, see {@link TplService}), in checkEvent, and whenever time passes in
 * stall or waitForEvent. So a machine whose clock moves only in {@link CpuClock#idle} takes it only
 * there, and replays exactly.
 *
 * <p>As in edk2, the interrupt only signals an event of the core's own at HIGH_LEVEL - 1, whose
 * notification looks through the list and signals what has expired.
 */
final class TimerService {
  /** The period of a PERIODIC timer that asks for one per tick. */
  static final long TICK_NANOS = 10_000_000;

  /**
   * At least so long between two interrupts, so that a tiny period does not starve the firmware. (A
   * notification that takes longer than its timer's period does, here as in edk2.)
   */
  static final long INTERRUPT_DISTANCE_NANOS = 100_000;

  private static final int CHECK_TPL = Tpl.HIGH_LEVEL - 1;
  private static final long NANOS_PER_UNIT = 100;
  private static final long NEVER = Long.MAX_VALUE;

  private final CpuClock clock;
  private final TplService tpl;
  private final EventService events;
  private final CoreEvent checkTimers;

  /** Timers that are set, first to expire first; of equals, first set first. */
  private final List<CoreEvent> timers = new ArrayList<>();

  private long dueNanos = NEVER;
  private long lastInterruptNanos = Long.MIN_VALUE / 2;
  private boolean off;
  private long offNanos;

  TimerService(CpuClock clock, TplService tpl, EventService events) {
    this.clock = clock;
    this.tpl = tpl;
    this.events = events;
    checkTimers =
        events.add(EventType.NOTIFY_SIGNAL, CHECK_TPL, (event, context) -> expire(), null, null);
    tpl.connectInterrupt(this::interruptIfDue);
  }

  EfiStatus setTimer(Event userEvent, TimerDelay type, long triggerTime) {
    CoreEvent event = EventService.valid(userEvent);
    if (event == null || type == null || !event.isTimer()) {
      return EfiStatus.INVALID_PARAMETER;
    }
    int old = tpl.raise(Math.max(CHECK_TPL, tpl.current()));
    remove(event);
    event.periodNanos = 0;
    if (type != TimerDelay.CANCEL) {
      long delay = toNanos(triggerTime);
      if (type == TimerDelay.PERIODIC) {
        delay = triggerTime == 0 ? TICK_NANOS : delay;
        event.periodNanos = delay;
      }
      insert(event, saturatedAdd(systemNanos(), delay));
      if (delay == 0) {
        // Already expired: it need not wait for an interrupt.
        events.signal(checkTimers);
      }
    }
    arm();
    tpl.restore(old);
    return EfiStatus.SUCCESS;
  }

  /** Forgets the timer of an event that is about to be closed. */
  void cancel(CoreEvent event) {
    if (event.isTimer()) {
      setTimer(event, TimerDelay.CANCEL, 0);
    }
  }

  /** No interrupt comes any more, and the core's time stands still. There is no way back. */
  void switchOff() {
    offNanos = systemNanos();
    off = true;
    dueNanos = NEVER;
  }

  /**
   * Nanoseconds until the next interrupt, 0 if it is due, {@link Long#MAX_VALUE} if none is set.
   */
  long nanosUntilInterrupt() {
    return dueNanos == NEVER ? NEVER : Math.max(0, dueNanos - clock.nanos());
  }

  /** The interrupt handler. The caller sees to it that interrupts are enabled. */
  private void interruptIfDue() {
    if (dueNanos == NEVER || clock.nanos() < dueNanos) {
      return;
    }
    dueNanos = NEVER;
    lastInterruptNanos = clock.nanos();
    int old = tpl.raise(Tpl.HIGH_LEVEL);
    events.signal(checkTimers);
    tpl.restore(old);
  }

  private void expire() {
    long now = systemNanos();
    while (!timers.isEmpty() && timers.getFirst().triggerNanos <= now) {
      CoreEvent event = timers.getFirst();
      remove(event);
      events.signal(event);
      if (event.periodNanos != 0) {
        long next = saturatedAdd(event.triggerNanos, event.periodNanos);
        // Whoever is late by a whole period or more starts afresh from now.
        insert(event, next > now ? next : saturatedAdd(now, event.periodNanos));
      }
    }
    arm();
  }

  private void arm() {
    dueNanos =
        off || timers.isEmpty()
            ? NEVER
            : Math.max(
                timers.getFirst().triggerNanos, lastInterruptNanos + INTERRUPT_DISTANCE_NANOS);
  }

  private void insert(CoreEvent event, long triggerNanos) {
    int at = 0;
    while (at < timers.size() && timers.get(at).triggerNanos <= triggerNanos) {
      at++;
    }
    event.triggerNanos = triggerNanos;
    event.timerSet = true;
    timers.add(at, event);
  }

  private void remove(CoreEvent event) {
    if (event.timerSet) {
      timers.remove(event);
      event.timerSet = false;
    }
  }

  private long systemNanos() {
    return off ? offNanos : clock.nanos();
  }

  private static long toNanos(long units) {
    return Long.compareUnsigned(units, NEVER / NANOS_PER_UNIT) > 0 ? NEVER : units * NANOS_PER_UNIT;
  }

  private static long saturatedAdd(long a, long b) {
    long sum = a + b;
    return sum < 0 ? NEVER : sum;
  }
}
