package dev.virtiolab.firmware.core;

import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventNotify;
import dev.virtiolab.firmware.uefi.EventType;
import java.util.UUID;

/** An event as the core keeps it. Only the services of this package change it. */
public final class CoreEvent implements Event {
  private final long serial;
  private final int type;
  private final int notifyTpl;
  private final EventNotify notify;
  private final Object context;
  private final UUID group;

  /** Signalled and not yet notified (signal types) or not yet seen by checkEvent (others). */
  boolean signalled;

  /** In the queue of its notify TPL. */
  boolean queued;

  boolean closed;

  /** In the timer list, to expire at {@link #triggerNanos}. */
  boolean timerSet;

  long triggerNanos;

  /** 0 for a timer that fires once. */
  long periodNanos;

  CoreEvent(long serial, int type, int notifyTpl, EventNotify notify, Object context, UUID group) {
    this.serial = serial;
    this.type = type;
    this.notifyTpl = notifyTpl;
    this.notify = notify;
    this.context = context;
    this.group = group;
  }

  /** Number of this event in order of creation, so that an order of events can be replayed. */
  public long serial() {
    return serial;
  }

  /** The level at which its notification function runs; 0 where it has none. */
  public int notifyTpl() {
    return notifyTpl;
  }

  /** The group it belongs to, or null. */
  public UUID group() {
    return group;
  }

  boolean notifiesOnSignal() {
    return (type & EventType.NOTIFY_SIGNAL) != 0;
  }

  boolean notifiesOnWait() {
    return (type & EventType.NOTIFY_WAIT) != 0;
  }

  boolean isTimer() {
    return (type & EventType.TIMER) != 0;
  }

  void runNotify() {
    notify.run(this, context);
  }

  @Override
  public String toString() {
    return "event " + serial + " (type=0x" + Integer.toHexString(type) + " tpl=" + notifyTpl + ")";
  }
}
