package dev.virtiolab.firmware.core;

import static dev.virtiolab.firmware.uefi.EfiStatus.INVALID_PARAMETER;
import static dev.virtiolab.firmware.uefi.EfiStatus.NOT_READY;
import static dev.virtiolab.firmware.uefi.EfiStatus.SUCCESS;
import static dev.virtiolab.firmware.uefi.EfiStatus.UNSUPPORTED;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.EventNotify;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/** UEFI Specification 2.10, 7.1 "Event, Timer, and Task Priority Services"; edk2's Event.c. */
class EventServiceTest {
  private static final UUID GROUP = UUID.fromString("00000000-0000-0000-0000-000000000001");
  private static final EventNotify NOTHING = (event, context) -> {};

  private final Bench bench = new Bench();
  private final DxeCore core = bench.core;

  // CreateEvent

  @Test
  void eightTypesAreLegalAndNoOthers() {
    List<Integer> legal =
        List.of(0, 0x100, 0x200, 0x201, 0x60000202, 0x80000000, 0x80000100, 0x80000200);
    List<Integer> bits = List.of(0x1, 0x2, 0x100, 0x200, 0x20000000, 0x40000000, 0x80000000, 0x4);
    for (int chosen = 0; chosen < 1 << bits.size(); chosen++) {
      int type = 0;
      for (int bit = 0; bit < bits.size(); bit++) {
        type |= (chosen >> bit & 1) == 0 ? 0 : bits.get(bit);
      }
      EfiStatus status = core.createEvent(type, Tpl.CALLBACK, NOTHING, null, new Ref<>());
      assertEquals(
          legal.contains(type) ? SUCCESS : INVALID_PARAMETER, status, Integer.toHexString(type));
    }
  }

  @Test
  void aTypeThatNotifiesNeedsAFunctionAndALevelOfCallbackOrNotify() {
    for (int type : List.of(0x100, 0x200, 0x201, 0x60000202, 0x80000100, 0x80000200)) {
      assertEquals(INVALID_PARAMETER, create(type, Tpl.CALLBACK, null, null));
      for (int tpl : List.of(0, Tpl.APPLICATION, 7, 9, 17, 30, Tpl.HIGH_LEVEL)) {
        assertEquals(INVALID_PARAMETER, create(type, tpl, NOTHING, null));
      }
      assertEquals(SUCCESS, create(type, Tpl.CALLBACK, NOTHING, null));
      assertEquals(SUCCESS, create(type, Tpl.NOTIFY, NOTHING, null));
    }
  }

  @Test
  void aTypeThatDoesNotNotifyIgnoresLevelAndFunction() {
    assertEquals(SUCCESS, create(0, Tpl.HIGH_LEVEL, null, null));
    assertEquals(SUCCESS, create(EventType.TIMER, 99, NOTHING, null));
  }

  @Test
  void aGroupTypeCannotJoinAnotherGroup() {
    assertEquals(INVALID_PARAMETER, create(0x201, Tpl.CALLBACK, NOTHING, GROUP));
    assertEquals(INVALID_PARAMETER, create(0x60000202, Tpl.CALLBACK, NOTHING, GROUP));
  }

  @Test
  void anEventOfAPredefinedGroupTakesThatGroupsType() {
    // A plain event would need no function; a member of this group does.
    assertEquals(INVALID_PARAMETER, create(0, 0, null, EventGroups.EXIT_BOOT_SERVICES));
    assertEquals(INVALID_PARAMETER, create(0, 0, null, EventGroups.VIRTUAL_ADDRESS_CHANGE));
    assertEquals(SUCCESS, create(0, 0, null, EventGroups.READY_TO_BOOT));
  }

  @Test
  void aPlaceForTheEventIsNeeded() {
    assertEquals(INVALID_PARAMETER, core.createEvent(0, 0, null, null, null));
  }

  @Test
  void theNotificationGetsItsEventAndContext() {
    List<Object> got = new ArrayList<>();
    Ref<Event> event = new Ref<>();
    core.createEvent(
        EventType.NOTIFY_SIGNAL,
        Tpl.CALLBACK,
        (self, context) -> got.addAll(List.of(self, context)),
        "context",
        event);
    core.signalEvent(event.value);
    assertEquals(List.of(event.value, "context"), got);
  }

  // SignalEvent and the TPL

  @Test
  void aSignalForAHigherLevelRunsAtOnceAndOneForTheSameLevelWaits() {
    Event high = bench.signal(Tpl.NOTIFY, bench.logs("high"));
    Event same = bench.signal(Tpl.CALLBACK, bench.logs("same"));
    core.signalEvent(
        bench.signal(
            Tpl.CALLBACK,
            (event, context) -> {
              bench.log.add("enter");
              core.signalEvent(same);
              core.signalEvent(high);
              bench.log.add("leave");
            }));
    assertEquals(List.of("enter", "high", "leave", "same"), bench.log);
  }

  @Test
  void restoringTheLevelRunsWhatIsPendingAboveItHighestFirst() {
    int old = core.raiseTpl(Tpl.HIGH_LEVEL);
    core.signalEvent(bench.signal(Tpl.CALLBACK, bench.logs("callback")));
    core.signalEvent(bench.signal(Tpl.NOTIFY, bench.logs("notify")));
    assertEquals(List.of(), bench.log);
    core.restoreTpl(Tpl.NOTIFY);
    assertEquals(List.of(), bench.log);
    core.restoreTpl(Tpl.CALLBACK);
    assertEquals(List.of("notify"), bench.log);
    core.restoreTpl(old);
    assertEquals(List.of("notify", "callback"), bench.log);
  }

  @Test
  void aNotificationRunsAtItsLevelAndTheCallersComesBack() {
    List<Integer> levels = new ArrayList<>();
    Event event = bench.signal(Tpl.NOTIFY, (self, context) -> levels.add(core.currentTpl()));
    core.signalEvent(event);
    levels.add(core.currentTpl());
    assertEquals(List.of(Tpl.NOTIFY, Tpl.APPLICATION), levels);
  }

  @Test
  void eventsSignalledSinglyRunFirstInFirstOut() {
    int old = core.raiseTpl(Tpl.NOTIFY);
    for (String name : List.of("1", "2", "3")) {
      core.signalEvent(bench.signal(Tpl.CALLBACK, bench.logs(name)));
    }
    core.restoreTpl(old);
    assertEquals(List.of("1", "2", "3"), bench.log);
  }

  @Test
  void aSignalIsDroppedWhileTheEventIsSignalled() {
    Event first = bench.signal(Tpl.CALLBACK, bench.logs("first"));
    Event second = bench.signal(Tpl.CALLBACK, bench.logs("second"));
    int old = core.raiseTpl(Tpl.NOTIFY);
    assertEquals(SUCCESS, core.signalEvent(first));
    assertEquals(SUCCESS, core.signalEvent(second));
    assertEquals(SUCCESS, core.signalEvent(first));
    core.restoreTpl(old);
    assertEquals(List.of("first", "second"), bench.log);
  }

  @Test
  void anEventMaySignalItselfFromItsOwnNotification() {
    int[] left = {3};
    core.signalEvent(
        bench.signal(
            Tpl.CALLBACK,
            (event, context) -> {
              bench.log.add("run");
              if (--left[0] > 0) {
                core.signalEvent(event);
              }
            }));
    assertEquals(List.of("run", "run", "run"), bench.log);
  }

  @Test
  void signalNeedsAnEventThatIsAlive() {
    Event event = bench.signal(Tpl.CALLBACK, NOTHING);
    core.closeEvent(event);
    assertEquals(INVALID_PARAMETER, core.signalEvent(event));
    assertEquals(INVALID_PARAMETER, core.signalEvent(null));
    assertEquals(INVALID_PARAMETER, core.signalEvent(new Event() {}));
    assertEquals(INVALID_PARAMETER, core.checkEvent(event));
    assertEquals(INVALID_PARAMETER, core.closeEvent(event));
  }

  @Test
  void raisingToALowerLevelIsABug() {
    core.raiseTpl(Tpl.NOTIFY);
    assertThrows(IllegalStateException.class, () -> core.raiseTpl(Tpl.CALLBACK));
    assertThrows(IllegalStateException.class, () -> core.raiseTpl(Tpl.HIGH_LEVEL + 1));
    assertThrows(IllegalStateException.class, () -> core.restoreTpl(Tpl.HIGH_LEVEL));
  }

  @Test
  void aNotificationThatLeavesTheLevelRaisedIsABug() {
    Event event = bench.signal(Tpl.CALLBACK, (self, context) -> core.raiseTpl(Tpl.NOTIFY));
    assertThrows(IllegalStateException.class, () -> core.signalEvent(event));
  }

  // Groups

  @Test
  void membersOfAGroupAtOneLevelRunInReverseOrderOfCreation() {
    Event first = bench.inGroup(GROUP, Tpl.CALLBACK, bench.logs("1"));
    bench.inGroup(GROUP, Tpl.CALLBACK, bench.logs("2"));
    bench.inGroup(GROUP, Tpl.CALLBACK, bench.logs("3"));
    core.signalEvent(first);
    assertEquals(List.of("3", "2", "1"), bench.log);
  }

  @Test
  void allMembersAreQueuedBeforeAnyRuns() {
    // At NOTIFY one would run the moment it is queued, if it were not for the lock; then its
    // signal for the single event would put that ahead of the members still to be queued.
    Event single = bench.signal(Tpl.CALLBACK, bench.logs("single"));
    bench.inGroup(GROUP, Tpl.CALLBACK, bench.logs("member"));
    Event last =
        bench.inGroup(
            GROUP,
            Tpl.NOTIFY,
            (event, context) -> {
              bench.log.add("notify");
              core.signalEvent(single);
            });
    core.signalEvent(last);
    assertEquals(List.of("notify", "member", "single"), bench.log);
  }

  @Test
  void aQueuedMemberThatIsQueuedAgainMovesToTheTail() {
    Event member = bench.inGroup(GROUP, Tpl.CALLBACK, bench.logs("member"));
    Event single = bench.signal(Tpl.CALLBACK, bench.logs("single"));
    Event second = bench.inGroup(GROUP, Tpl.CALLBACK, bench.logs("second"));
    int old = core.raiseTpl(Tpl.NOTIFY);
    core.signalEvent(member); // queue: second, member
    core.signalEvent(single); // queue: second, member, single
    core.signalEvent(second); // only "member" is signalled, so this queues both again
    core.restoreTpl(old);
    assertEquals(List.of("single", "second", "member"), bench.log);
  }

  @Test
  void aMemberThatDoesNotNotifyOnSignalSignalsOnlyItself() {
    bench.inGroup(GROUP, Tpl.CALLBACK, bench.logs("member"));
    Event plain = bench.inGroup(GROUP, 0, 0, null);
    core.signalEvent(plain);
    assertEquals(List.of(), bench.log);
    assertEquals(SUCCESS, core.checkEvent(plain));
  }

  @Test
  void theOrderOfAGroupCanBeReplaced() {
    Bench ordered = new Bench((group, members) -> members.reversed());
    Event first = ordered.inGroup(GROUP, Tpl.CALLBACK, ordered.logs("1"));
    ordered.inGroup(GROUP, Tpl.NOTIFY, ordered.logs("2"));
    ordered.inGroup(GROUP, Tpl.CALLBACK, ordered.logs("3"));
    ordered.core.signalEvent(first);
    assertEquals(List.of("2", "1", "3"), ordered.log);
  }

  @Test
  void anOrderThatIsNoPermutationIsABug() {
    Bench ordered = new Bench((group, members) -> members.subList(0, 1));
    Event first = ordered.inGroup(GROUP, Tpl.CALLBACK, NOTHING);
    ordered.inGroup(GROUP, Tpl.CALLBACK, NOTHING);
    assertThrows(IllegalStateException.class, () -> ordered.core.signalEvent(first));
  }

  // CheckEvent, WaitForEvent, CloseEvent

  @Test
  void checkClearsASignalledEvent() {
    Event event = bench.event(0, 0, null);
    assertEquals(NOT_READY, core.checkEvent(event));
    core.signalEvent(event);
    assertEquals(SUCCESS, core.checkEvent(event));
    assertEquals(NOT_READY, core.checkEvent(event));
  }

  @Test
  void checkOfAnEventThatNotifiesOnSignalIsInvalid() {
    assertEquals(INVALID_PARAMETER, core.checkEvent(bench.signal(Tpl.CALLBACK, NOTHING)));
    assertEquals(INVALID_PARAMETER, core.checkEvent(null));
  }

  @Test
  void checkRunsTheWaitNotificationWhichMaySignal() {
    boolean[] ready = {false};
    Event event =
        bench.event(
            EventType.NOTIFY_WAIT,
            Tpl.CALLBACK,
            (self, context) -> {
              bench.log.add("look");
              if (ready[0]) {
                core.signalEvent(self);
              }
            });
    assertEquals(NOT_READY, core.checkEvent(event));
    ready[0] = true;
    assertEquals(SUCCESS, core.checkEvent(event));
    core.signalEvent(event);
    assertEquals(SUCCESS, core.checkEvent(event));
    assertEquals(List.of("look", "look"), bench.log);
  }

  @Test
  void checkAtTheNotificationsLevelOnlyQueuesIt() {
    Event event =
        bench.event(EventType.NOTIFY_WAIT, Tpl.CALLBACK, (self, context) -> core.signalEvent(self));
    int old = core.raiseTpl(Tpl.CALLBACK);
    assertEquals(NOT_READY, core.checkEvent(event));
    core.restoreTpl(old);
    assertEquals(SUCCESS, core.checkEvent(event));
  }

  @Test
  void waitReturnsTheFirstSignalledEventsIndex() {
    Event never = bench.event(0, 0, null);
    Event signalled = bench.event(0, 0, null);
    core.signalEvent(signalled);
    IntRef index = new IntRef(-1);
    assertEquals(SUCCESS, core.waitForEvent(index, never, signalled));
    assertEquals(1, index.value);
    core.signalEvent(signalled);
    assertEquals(SUCCESS, core.waitForEvent(null, signalled));
  }

  @Test
  void waitAboveApplicationIsUnsupported() {
    Event event = bench.event(0, 0, null);
    core.signalEvent(event);
    core.raiseTpl(Tpl.CALLBACK);
    assertEquals(UNSUPPORTED, core.waitForEvent(new IntRef(), event));
  }

  @Test
  void waitForAnEventThatNotifiesOnSignalIsInvalidAndNamesIt() {
    Event plain = bench.event(0, 0, null);
    IntRef index = new IntRef(-1);
    assertEquals(
        INVALID_PARAMETER, core.waitForEvent(index, plain, bench.signal(Tpl.CALLBACK, NOTHING)));
    assertEquals(1, index.value);
    assertEquals(INVALID_PARAMETER, core.waitForEvent(index));
  }

  @Test
  void waitLetsTimePassInGrowingStepsUpToAMillisecond() {
    List<Long> looks = new ArrayList<>();
    Event event =
        bench.event(
            EventType.NOTIFY_WAIT,
            Tpl.NOTIFY,
            (self, context) -> {
              looks.add(bench.clock.nanos() / 1_000);
              if (looks.size() == 14) {
                core.signalEvent(self);
              }
            });
    assertEquals(SUCCESS, core.waitForEvent(new IntRef(), event));
    assertEquals(
        List.of(0L, 1L, 3L, 7L, 15L, 31L, 63L, 127L, 255L, 511L, 1023L, 2023L, 3023L, 4023L),
        looks);
  }

  @Test
  void aQueuedEventThatIsClosedDoesNotRun() {
    Event closed = bench.signal(Tpl.CALLBACK, bench.logs("closed"));
    Event kept = bench.signal(Tpl.CALLBACK, bench.logs("kept"));
    int old = core.raiseTpl(Tpl.NOTIFY);
    core.signalEvent(closed);
    core.signalEvent(kept);
    assertEquals(SUCCESS, core.closeEvent(closed));
    core.restoreTpl(old);
    assertEquals(List.of("kept"), bench.log);
  }

  @Test
  void aClosedEventHasLeftItsGroup() {
    Event kept = bench.inGroup(GROUP, Tpl.CALLBACK, bench.logs("kept"));
    core.closeEvent(bench.inGroup(GROUP, Tpl.CALLBACK, bench.logs("closed")));
    core.signalEvent(kept);
    assertEquals(List.of("kept"), bench.log);
  }

  @Test
  void anEventMayCloseItselfInItsNotification() {
    Event event =
        bench.signal(
            Tpl.CALLBACK,
            (self, context) -> {
              assertEquals(SUCCESS, core.closeEvent(self));
              bench.log.add("closed");
            });
    core.signalEvent(event);
    assertEquals(INVALID_PARAMETER, core.signalEvent(event));
    assertEquals(List.of("closed"), bench.log);
  }

  private EfiStatus create(int type, int tpl, EventNotify notify, UUID group) {
    return core.createEventEx(type, tpl, notify, null, group, new Ref<>());
  }
}
