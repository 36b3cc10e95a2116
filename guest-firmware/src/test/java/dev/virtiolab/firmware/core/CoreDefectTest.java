package dev.virtiolab.firmware.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.EnumSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A core that is broken on purpose is broken in that way, and in no other. */
class CoreDefectTest {
  private static final List<String> AS_IT_SHOULD_BE =
      List.of("accepted", "N2", "N1", "C2", "C1", "requeued");

  private Bench bench;

  /** Two members at each level; the first to run at CALLBACK signals an event at CALLBACK. */
  private List<String> exit(CoreDefect... defects) {
    EnumSet<CoreDefect> set = EnumSet.noneOf(CoreDefect.class);
    set.addAll(List.of(defects));
    bench = new Bench(new CoreSetup(GroupOrder.EDK2, DispatchObserver.NONE, set));
    DxeCore core = bench.core;
    core.onExitBootServices(
        new ExitBootServicesHook() {
          @Override
          public void memoryMapAccepted() {
            bench.log.add("accepted");
          }
        });
    Event requeued = bench.signal(Tpl.CALLBACK, bench.logs("requeued"));
    bench.event(EventType.SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK, bench.logs("C1"));
    bench.event(EventType.SIGNAL_EXIT_BOOT_SERVICES, Tpl.NOTIFY, bench.logs("N1"));
    bench.event(
        EventType.SIGNAL_EXIT_BOOT_SERVICES,
        Tpl.CALLBACK,
        (event, context) -> {
          bench.log.add("C2");
          core.signalEvent(requeued);
        });
    bench.event(EventType.SIGNAL_EXIT_BOOT_SERVICES, Tpl.NOTIFY, bench.logs("N2"));
    assertEquals(EfiStatus.SUCCESS, core.exitBootServices(bench.mapKey()));
    return bench.log;
  }

  @Test
  void withoutDefectsAGroupIsQueuedAsAWholeAndDrainedHighestLevelFirst() {
    assertEquals(AS_IT_SHOULD_BE, exit());
  }

  @Test
  void oneByOneWhatAMemberSignalsOvertakesTheRestOfTheGroup() {
    assertEquals(
        List.of("accepted", "N2", "C2", "requeued", "N1", "C1"), exit(CoreDefect.GROUP_ONE_BY_ONE));
  }

  @Test
  void lastQueuedFirstTurnsEachLevelRound() {
    assertEquals(
        List.of("accepted", "N1", "N2", "C1", "C2", "requeued"),
        exit(CoreDefect.LAST_QUEUED_FIRST));
  }

  @Test
  void lowestLevelFirstRunsCallbackBeforeNotify() {
    List<String> log = exit(CoreDefect.LOWEST_LEVEL_FIRST);
    assertEquals(List.of("accepted", "C2", "C1", "requeued", "N2", "N1"), log);
  }

  @Test
  void keyUncheckedTakesAnyKey() {
    exit(CoreDefect.KEY_UNCHECKED);
    Bench unchecked =
        new Bench(
            new CoreSetup(
                GroupOrder.EDK2, DispatchObserver.NONE, EnumSet.of(CoreDefect.KEY_UNCHECKED)));
    unchecked.inGroup(
        EventGroups.EXIT_BOOT_SERVICES_FAILED, Tpl.CALLBACK, unchecked.logs("failed"));
    assertEquals(EfiStatus.SUCCESS, unchecked.core.exitBootServices(unchecked.mapKey() - 1));
    assertEquals(List.of(), unchecked.log);
    assertEquals(EfiStatus.INVALID_PARAMETER, new Bench().core.exitBootServices(-1));
  }

  @Test
  void mapNotLockedTellsNobodyThatItIsAccepted() {
    assertEquals(
        AS_IT_SHOULD_BE.subList(1, AS_IT_SHOULD_BE.size()), exit(CoreDefect.MAP_NOT_LOCKED));
  }

  @ParameterizedTest
  @EnumSource(CoreDefect.class)
  void everyHandlerRunsOnceAllTheSame(CoreDefect defect) {
    List<String> log = exit(defect);
    log.remove("accepted");
    log.sort(null);
    assertEquals(List.of("C1", "C2", "N1", "N2", "requeued"), log);
  }
}
