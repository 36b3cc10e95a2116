package dev.virtiolab.virtio.queue;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/** What a queue has seen since it was made. Written by the device's thread, read by any. */
public final class QueueCounters {
  private static final VarHandle CHAINS = handle("chains");
  private static final VarHandle COMPLETIONS = handle("completions");
  private static final VarHandle PUBLICATIONS = handle("publications");
  private static final VarHandle INTERRUPTS_WANTED = handle("interruptsWanted");
  private static final VarHandle INTERRUPTS_SUPPRESSED = handle("interruptsSuppressed");
  private static final VarHandle KICKS_SUPPRESSED = handle("kicksSuppressed");
  private static final VarHandle BLOCKED = handle("blocked");
  private static final VarHandle PAYLOAD_FAULTS = handle("payloadFaults");
  private static final VarHandle OFFERED = handle("offered");
  private static final VarHandle ERRORS = MethodHandles.arrayElementVarHandle(long[].class);

  private long chains;
  private long completions;
  private long publications;
  private long interruptsWanted;
  private long interruptsSuppressed;
  private long kicksSuppressed;
  private long blocked;
  private long payloadFaults;
  private long offered;
  private final long[] errors = new long[QueueError.values().length];

  QueueCounters() {}

  /** Chains taken; one that was given back and taken again counts once. */
  public long chains() {
    return (long) CHAINS.getOpaque(this);
  }

  /** Used elements written. */
  public long completions() {
    return (long) COMPLETIONS.getOpaque(this);
  }

  /** Stores of {@code used.idx}: one for each batch. */
  public long publications() {
    return (long) PUBLICATIONS.getOpaque(this);
  }

  /** Publications after which the driver wanted an interrupt. */
  public long interruptsWanted() {
    return (long) INTERRUPTS_WANTED.getOpaque(this);
  }

  /** Publications after which the driver wanted none. */
  public long interruptsSuppressed() {
    return (long) INTERRUPTS_SUPPRESSED.getOpaque(this);
  }

  /** Chains found while kicks were switched off: kicks that the driver need not have sent. */
  public long kicksSuppressed() {
    return (long) KICKS_SUPPRESSED.getOpaque(this);
  }

  /** Looks at the queue that found memory out of reach for the time being. */
  public long blocked() {
    return (long) BLOCKED.getOpaque(this);
  }

  /** Copies from or to a chain that met a {@link dev.virtiolab.pci.memory.DmaFault}. */
  public long payloadFaults() {
    return (long) PAYLOAD_FAULTS.getOpaque(this);
  }

  /**
   * Buffers that are the device's now: offered by the driver, as far as the device has looked, and
   * not given back.
   */
  public long offered() {
    return (long) OFFERED.getOpaque(this);
  }

  /** Times that the driver broke the queue in this way. */
  public long errors(QueueError kind) {
    return (long) ERRORS.getOpaque(errors, kind.ordinal());
  }

  void chainTaken(boolean withKicksOff) {
    CHAINS.setOpaque(this, chains + 1);
    if (withKicksOff) {
      KICKS_SUPPRESSED.setOpaque(this, kicksSuppressed + 1);
    }
  }

  void chainGivenBack(boolean withKicksOff) {
    CHAINS.setOpaque(this, chains - 1);
    if (withKicksOff) {
      KICKS_SUPPRESSED.setOpaque(this, kicksSuppressed - 1);
    }
  }

  void published(int elements, boolean interruptWanted) {
    COMPLETIONS.setOpaque(this, completions + elements);
    PUBLICATIONS.setOpaque(this, publications + 1);
    if (interruptWanted) {
      INTERRUPTS_WANTED.setOpaque(this, interruptsWanted + 1);
    } else {
      INTERRUPTS_SUPPRESSED.setOpaque(this, interruptsSuppressed + 1);
    }
  }

  void offered(int buffers) {
    OFFERED.setOpaque(this, (long) buffers);
  }

  void foundBlocked() {
    BLOCKED.setOpaque(this, blocked + 1);
  }

  void payloadFault() {
    PAYLOAD_FAULTS.setOpaque(this, payloadFaults + 1);
  }

  void broke(QueueError kind) {
    ERRORS.setOpaque(errors, kind.ordinal(), errors[kind.ordinal()] + 1);
  }

  private static VarHandle handle(String field) {
    try {
      return MethodHandles.lookup().findVarHandle(QueueCounters.class, field, long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }
}
