package dev.virtiolab.firmware.core;

import static dev.virtiolab.firmware.uefi.EfiStatus.INVALID_PARAMETER;
import static dev.virtiolab.firmware.uefi.EfiStatus.NOT_READY;
import static dev.virtiolab.firmware.uefi.EfiStatus.SUCCESS;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventNotify;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.TimerDelay;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.List;
import org.junit.jupiter.api.Test;

/** UEFI Specification 2.10, 7.1.7 "EFI_BOOT_SERVICES.SetTimer()"; edk2's Timer.c. */
class TimerServiceTest {
  private static final long MICROSECOND = 10;
  private static final long MILLISECOND = 10_000;

  private final Bench bench = new Bench();
  private final DxeCore core = bench.core;

  @Test
  void onlyALiveTimerEventTakesATimer() {
    Event timer = bench.event(EventType.TIMER, 0, null);
    assertEquals(INVALID_PARAMETER, core.setTimer(null, TimerDelay.RELATIVE, 1));
    assertEquals(INVALID_PARAMETER, core.setTimer(timer, null, 1));
    assertEquals(INVALID_PARAMETER, core.setTimer(bench.event(0, 0, null), TimerDelay.RELATIVE, 1));
    assertEquals(SUCCESS, core.setTimer(timer, TimerDelay.RELATIVE, 1));
    core.closeEvent(timer);
    assertEquals(INVALID_PARAMETER, core.setTimer(timer, TimerDelay.RELATIVE, 1));
  }

  @Test
  void aRelativeTimerFiresOnceAfterItsTime() {
    Event timer = timer(logsTime("fired"));
    core.setTimer(timer, TimerDelay.RELATIVE, 3 * MILLISECOND);
    core.stall(10_000);
    assertEquals(List.of("fired at 3000"), bench.log);
  }

  @Test
  void aPeriodicTimerFiresEachPeriodUntilItIsCancelled() {
    Event timer = timer(logsTime("fired"));
    core.setTimer(timer, TimerDelay.PERIODIC, 2 * MILLISECOND);
    core.stall(7_000);
    core.setTimer(timer, TimerDelay.CANCEL, 0);
    core.stall(7_000);
    assertEquals(List.of("fired at 2000", "fired at 4000", "fired at 6000"), bench.log);
  }

  @Test
  void aPeriodOfZeroIsOneTick() {
    core.setTimer(timer(logsTime("tick")), TimerDelay.PERIODIC, 0);
    core.stall(25_000);
    assertEquals(List.of("tick at 10000", "tick at 20000"), bench.log);
  }

  @Test
  void aRelativeTimeOfZeroFiresAtOnce() {
    core.setTimer(timer(logsTime("fired")), TimerDelay.RELATIVE, 0);
    assertEquals(List.of("fired at 0"), bench.log);
  }

  @Test
  void settingATimerAgainReplacesIt() {
    Event timer = timer(logsTime("fired"));
    core.setTimer(timer, TimerDelay.PERIODIC, MILLISECOND);
    core.setTimer(timer, TimerDelay.RELATIVE, 5 * MILLISECOND);
    core.stall(20_000);
    assertEquals(List.of("fired at 5000"), bench.log);
  }

  @Test
  void aTimeThatNeverComesIsNoOverflow() {
    core.setTimer(timer(bench.logs("fired")), TimerDelay.RELATIVE, -1);
    core.setTimer(timer(bench.logs("fired")), TimerDelay.RELATIVE, Long.MAX_VALUE);
    core.setTimer(timer(bench.logs("fired")), TimerDelay.PERIODIC, Long.MAX_VALUE / 100);
    core.stall(1_000_000);
    assertEquals(List.of(), bench.log);
  }

  @Test
  void timersThatExpireTogetherFireInOrderOfExpiryAndThenOfSetting() {
    int old = core.raiseTpl(Tpl.NOTIFY);
    core.setTimer(timer(bench.logs("2b")), TimerDelay.RELATIVE, 2 * MILLISECOND);
    core.setTimer(timer(bench.logs("1")), TimerDelay.RELATIVE, MILLISECOND);
    core.setTimer(timer(bench.logs("2c")), TimerDelay.RELATIVE, 2 * MILLISECOND);
    core.stall(5_000);
    assertEquals(List.of(), bench.log);
    core.restoreTpl(old);
    assertEquals(List.of("1", "2b", "2c"), bench.log);
  }

  @Test
  void aTimerPreemptsWhatRunsBelowItsLevelWhenTimePasses() {
    Event timer = bench.event(timerType(), Tpl.NOTIFY, bench.logs("timer"));
    core.setTimer(timer, TimerDelay.RELATIVE, MILLISECOND);
    core.signalEvent(
        bench.signal(
            Tpl.CALLBACK,
            (event, context) -> {
              bench.log.add("enter");
              core.stall(2_000);
              bench.log.add("leave");
            }));
    assertEquals(List.of("enter", "timer", "leave"), bench.log);
  }

  @Test
  void noTimerFiresAtHighLevelUntilTheLevelFalls() {
    core.setTimer(timer(logsTime("fired")), TimerDelay.RELATIVE, MILLISECOND);
    int old = core.raiseTpl(Tpl.HIGH_LEVEL);
    core.stall(5_000);
    assertEquals(List.of(), bench.log);
    core.restoreTpl(old);
    assertEquals(List.of("fired at 5000"), bench.log);
  }

  @Test
  void aTimerFiresAFewServicesLaterAtMostWhereNobodyWaits() {
    core.setTimer(timer(logsTime("fired")), TimerDelay.RELATIVE, MILLISECOND);
    bench.clock.advance(2_000_000);
    for (int service = 0; service < 16; service++) {
      core.restoreTpl(core.raiseTpl(Tpl.CALLBACK));
    }
    assertEquals(List.of("fired at 2000"), bench.log);
  }

  @Test
  void aPeriodicTimerThatIsLateFiresOnceAndStartsAfresh() {
    core.setTimer(timer(logsTime("fired")), TimerDelay.PERIODIC, 2 * MILLISECOND);
    int old = core.raiseTpl(Tpl.HIGH_LEVEL);
    core.stall(9_000);
    core.restoreTpl(old);
    core.stall(5_000);
    assertEquals(List.of("fired at 9000", "fired at 11000", "fired at 13000"), bench.log);
  }

  @Test
  void aTimerThatIsDueIsSeenByCheckEventWithoutAWait() {
    Event timer = bench.event(EventType.TIMER, 0, null);
    core.setTimer(timer, TimerDelay.RELATIVE, MILLISECOND);
    assertEquals(NOT_READY, core.checkEvent(timer));
    bench.clock.advance(1_000_000);
    assertEquals(SUCCESS, core.checkEvent(timer));
    assertEquals(NOT_READY, core.checkEvent(timer));
  }

  @Test
  void waitForATimerEndsAtItsTimeExactly() {
    Event timer = bench.event(EventType.TIMER, 0, null);
    core.setTimer(timer, TimerDelay.RELATIVE, 12_345);
    assertEquals(SUCCESS, core.waitForEvent(null, timer));
    assertEquals(1_234_500, bench.clock.nanos());
  }

  @Test
  void aClosedTimerDoesNotFire() {
    Event timer = timer(bench.logs("fired"));
    core.setTimer(timer, TimerDelay.RELATIVE, MILLISECOND);
    core.closeEvent(timer);
    core.stall(5_000);
    assertEquals(List.of(), bench.log);
  }

  @Test
  void aPeriodShorterThanItsNotificationStarvesNobody() {
    Event timer =
        timer(
            (event, context) -> {
              bench.log.add("fired");
              bench.clock.advance(50_000);
            });
    core.setTimer(timer, TimerDelay.PERIODIC, MICROSECOND / 10);
    core.stall(1_000);
    core.setTimer(timer, TimerDelay.CANCEL, 0);
    // In 1 ms, with 100 µs from one interrupt to the next.
    assertEquals(10, bench.log.size());
  }

  @Test
  void stallTakesItsTimeHoweverManyTimersFire() {
    core.setTimer(timer(bench.logs("fired")), TimerDelay.PERIODIC, 7 * MICROSECOND);
    assertEquals(SUCCESS, core.stall(100));
    assertEquals(100_000, bench.clock.nanos());
    assertEquals(SUCCESS, core.stall(0));
    assertEquals(100_000, bench.clock.nanos());
  }

  private static int timerType() {
    return EventType.TIMER | EventType.NOTIFY_SIGNAL;
  }

  private Event timer(EventNotify notify) {
    return bench.event(timerType(), Tpl.CALLBACK, notify);
  }

  private EventNotify logsTime(String name) {
    return (event, context) -> bench.log.add(name + " at " + bench.clock.nanos() / 1_000);
  }
}
