package dev.virtiolab.firmware.core;

import dev.virtiolab.firmware.uefi.Tpl;

/**
 * The task priority level, and what runs when it falls: UEFI Specification 2.10, 7.1.8
 * "EFI_BOOT_SERVICES.RaiseTPL()" and 7.1.9 "EFI_BOOT_SERVICES.RestoreTPL()"; edk2's Tpl.c and the
 * dispatching half of Event.c.
 *
 * <p>The level is also the core's only lock. A service that must not be interrupted raises it and
 * restores it: the event services to HIGH_LEVEL, memory and handles to NOTIFY. What became pending
 * meanwhile runs inside that restore, above the caller's level and highest first, so a signal for a
 * higher level runs nested at once and one for the same level waits.
 *
 * <p>Interrupts are enabled below HIGH_LEVEL. This machine has one interrupt, the timer's, and
 * takes it where the level falls from HIGH_LEVEL, where a service asks for it, and, since it cannot
 * come between two instructions, at every {@value #FALLS_PER_LOOK}th fall from any other level.
 */
final class TplService {
  /** A look at the clock costs a third of what sending a frame does. */
  private static final int FALLS_PER_LOOK = 16;

  private final NotifyQueue queue;
  private final DispatchObserver observer;
  private Runnable interrupt = () -> {};
  private int current = Tpl.APPLICATION;
  private int fallsUntilLook = FALLS_PER_LOOK;

  TplService(NotifyQueue queue, DispatchObserver observer) {
    this.queue = queue;
    this.observer = observer;
  }

  /** Wires the timer's interrupt; {@code handler} does nothing while none is due. */
  void connectInterrupt(Runnable handler) {
    interrupt = handler;
  }

  int current() {
    return current;
  }

  int raise(int newTpl) {
    if (newTpl < current || newTpl > Tpl.HIGH_LEVEL) {
      throw new IllegalStateException("raiseTpl: from=" + current + " to=" + newTpl);
    }
    int old = current;
    current = newTpl;
    return old;
  }

  void restore(int oldTpl) {
    if (oldTpl > current || oldTpl < 0) {
      throw new IllegalStateException("restoreTpl: from=" + current + " to=" + oldTpl);
    }
    boolean enablesInterrupts = current == Tpl.HIGH_LEVEL;
    for (int level = queue.nextAbove(oldTpl); level >= 0; level = queue.nextAbove(oldTpl)) {
      current = level;
      dispatch(level);
    }
    current = oldTpl;
    if (enablesInterrupts || --fallsUntilLook <= 0) {
      takeInterrupt();
    }
  }

  /** Takes an interrupt that is due, where interrupts are enabled. */
  void takeInterrupt() {
    fallsUntilLook = FALLS_PER_LOOK;
    if (current < Tpl.HIGH_LEVEL) {
      interrupt.run();
    }
  }

  private void dispatch(int level) {
    for (CoreEvent event = next(level); event != null; event = next(level)) {
      observer.entered(event);
      event.runNotify();
      observer.left(event);
      if (current != level) {
        throw new IllegalStateException(
            "the notification of " + event + " came back at TPL " + current + ", not " + level);
      }
    }
  }

  /** Takes the next event of a level. What became pending above it runs before it, not after. */
  private CoreEvent next(int level) {
    raise(Tpl.HIGH_LEVEL);
    CoreEvent event = queue.takeFirst(level);
    if (event != null && event.notifiesOnSignal()) {
      // From here on it can be signalled again, by its own notification function too.
      event.signalled = false;
    }
    restore(level);
    return event;
  }
}
