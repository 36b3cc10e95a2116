package dev.virtiolab.firmware.core;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.Tpl;
import dev.virtiolab.pci.cpu.CpuClock;

/**
 * The two services that let time pass: UEFI Specification 2.10, 7.1.5
 * "EFI_BOOT_SERVICES.WaitForEvent()" and 7.5.2 "EFI_BOOT_SERVICES.Stall()".
 *
 * <p>A wait looks again after a microsecond, then after twice as long each time, up to a
 * millisecond and never past the next timer. edk2 signals its idle-loop event group between two
 * looks, for the CPU driver to halt in; here the halt is {@link CpuClock#idle}.
 */
final class IdleLoop {
  private static final long FIRST_IDLE_NANOS = 1_000;
  private static final long LONGEST_IDLE_NANOS = 1_000_000;

  private final CpuClock clock;
  private final TplService tpl;
  private final EventService events;
  private final TimerService timers;

  IdleLoop(CpuClock clock, TplService tpl, EventService events, TimerService timers) {
    this.clock = clock;
    this.tpl = tpl;
    this.events = events;
    this.timers = timers;
  }

  EfiStatus waitForEvent(IntRef index, Event... userEvents) {
    if (tpl.current() != Tpl.APPLICATION) {
      return EfiStatus.UNSUPPORTED;
    }
    if (userEvents == null || userEvents.length == 0) {
      return EfiStatus.INVALID_PARAMETER;
    }
    for (long idle = FIRST_IDLE_NANOS; ; idle = Math.min(2 * idle, LONGEST_IDLE_NANOS)) {
      for (int i = 0; i < userEvents.length; i++) {
        EfiStatus status = events.check(userEvents[i]);
        if (status != EfiStatus.NOT_READY) {
          if (index != null) {
            index.value = i;
          }
          return status;
        }
      }
      pass(idle);
    }
  }

  EfiStatus stall(long microseconds) {
    long nanos =
        Long.compareUnsigned(microseconds, Long.MAX_VALUE / 2_000) > 0
            ? Long.MAX_VALUE / 2
            : microseconds * 1_000;
    long start = clock.nanos();
    for (long left = nanos; left > 0; left = nanos - (clock.nanos() - start)) {
      pass(left);
    }
    return EfiStatus.SUCCESS;
  }

  /** Lets time pass, up to the next interrupt if that can be taken, and takes it. */
  private void pass(long nanos) {
    boolean masked = tpl.current() >= Tpl.HIGH_LEVEL;
    long idle = masked ? nanos : Math.min(nanos, timers.nanosUntilInterrupt());
    if (idle > 0) {
      clock.idle(idle);
    }
    tpl.takeInterrupt();
  }
}
