package dev.virtiolab.firmware.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.DriverBinding;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.EventNotify;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.OpenAttribute;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.TimerDelay;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** UEFI Specification 2.10, 7.4.6 "EFI_BOOT_SERVICES.ExitBootServices()"; edk2's DxeMain.c. */
class ExitBootServicesTest {
  private final Bench bench = new Bench();
  private final DxeCore core = bench.core;

  private void logGroups() {
    bench.inGroup(EventGroups.EXIT_BOOT_SERVICES_FAILED, Tpl.CALLBACK, bench.logs("failed"));
    bench.event(EventType.SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK, bench.logs("exit"));
    bench.inGroup(EventGroups.BEFORE_EXIT_BOOT_SERVICES, Tpl.CALLBACK, bench.logs("before"));
  }

  @Test
  void theBeforeGroupRunsAheadOfTheExitGroup() {
    logGroups();
    assertEquals(EfiStatus.SUCCESS, core.exitBootServices(bench.mapKey()));
    assertEquals(List.of("before", "exit"), bench.log);
    assertTrue(core.bootServicesGone());
  }

  @Test
  void anOldKeyIsRefusedAndRunsTheFailedGroupOnly() {
    logGroups();
    assertEquals(EfiStatus.INVALID_PARAMETER, core.exitBootServices(bench.mapKey() - 1));
    assertEquals(List.of("before", "failed"), bench.log);
    assertFalse(core.bootServicesGone());
  }

  @Test
  void theBeforeGroupRunsOnTheFirstCallOnly() {
    logGroups();
    core.exitBootServices(-1);
    core.exitBootServices(-1);
    assertEquals(EfiStatus.SUCCESS, core.exitBootServices(bench.mapKey()));
    assertEquals(List.of("before", "failed", "failed", "exit"), bench.log);
  }

  @Test
  void aBeforeHandlerThatAllocatesMakesTheKeyAnOldOne() {
    bench.inGroup(
        EventGroups.BEFORE_EXIT_BOOT_SERVICES, Tpl.CALLBACK, (event, context) -> allocatePage());
    assertEquals(EfiStatus.INVALID_PARAMETER, core.exitBootServices(bench.mapKey()));
    assertEquals(EfiStatus.SUCCESS, core.exitBootServices(bench.mapKey()));
  }

  @Test
  void whatAnExitHandlerDoesToTheMapStaysUnnoticed() {
    long key = bench.mapKey();
    long[] keyInHandler = new long[1];
    bench.event(
        EventType.SIGNAL_EXIT_BOOT_SERVICES,
        Tpl.CALLBACK,
        (event, context) -> {
          allocatePage();
          keyInHandler[0] = bench.mapKey();
        });
    assertEquals(EfiStatus.SUCCESS, core.exitBootServices(key));
    assertNotEquals(key, keyInHandler[0]);
  }

  @Test
  void theTimerIsOffWhenTheExitGroupRuns() {
    timer(bench.logs("timer"));
    bench.event(
        EventType.SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK, (event, context) -> core.stall(1_000));
    assertEquals(EfiStatus.SUCCESS, core.exitBootServices(bench.mapKey()));
    assertEquals(List.of(), bench.log);
  }

  @Test
  void theTimerStillRunsWhileTheBeforeGroupDoes() {
    Event late = timer(bench.logs("timer"));
    bench.inGroup(
        EventGroups.BEFORE_EXIT_BOOT_SERVICES,
        Tpl.CALLBACK,
        (event, context) -> {
          core.stall(1_000);
          bench.log.add("before");
        });
    core.exitBootServices(bench.mapKey());
    assertEquals(List.of("timer", "before"), bench.log);
    assertThrows(IllegalStateException.class, () -> core.checkEvent(late));
  }

  @Test
  void theTimerStaysOffAfterAFailure() {
    timer(bench.logs("before the call"));
    core.exitBootServices(-1);
    timer(bench.logs("after the call"));
    core.stall(1_000_000);
    assertEquals(List.of(), bench.log);
  }

  @Test
  void memoryAndEventsStillServeAfterAFailure() {
    core.exitBootServices(-1);
    allocatePage();
    core.signalEvent(bench.signal(Tpl.CALLBACK, bench.logs("signalled")));
    assertEquals(List.of("signalled"), bench.log);
  }

  @Test
  void handlersRunHighestLevelFirstAndLastCreatedFirst() {
    for (int i = 0; i < 3; i++) {
      bench.event(EventType.SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK, bench.logs("callback " + i));
      bench.inGroup(EventGroups.EXIT_BOOT_SERVICES, Tpl.NOTIFY, bench.logs("notify " + i));
    }
    core.exitBootServices(bench.mapKey());
    assertEquals(
        List.of("notify 2", "notify 1", "notify 0", "callback 2", "callback 1", "callback 0"),
        bench.log);
  }

  @Test
  void anEventThatAHandlerSignalsRunsAfterAllOthersOfItsLevel() {
    Event second = bench.signal(Tpl.CALLBACK, bench.logs("teardown"));
    bench.event(EventType.SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK, bench.logs("driver A"));
    bench.event(
        EventType.SIGNAL_EXIT_BOOT_SERVICES,
        Tpl.CALLBACK,
        (event, context) -> {
          bench.log.add("iommu");
          core.signalEvent(second);
        });
    bench.event(EventType.SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK, bench.logs("driver B"));
    core.exitBootServices(bench.mapKey());
    assertEquals(List.of("driver B", "iommu", "driver A", "teardown"), bench.log);
  }

  @Test
  void everyServiceThrowsOnceBootServicesAreGone() {
    Event event = bench.event(0, 0, null);
    core.exitBootServices(bench.mapKey());
    List<Executable> calls =
        List.of(
            () -> core.raiseTpl(Tpl.NOTIFY),
            () -> core.restoreTpl(Tpl.APPLICATION),
            core::currentTpl,
            () -> core.createEvent(0, 0, null, null, new Ref<>()),
            () -> core.createEventEx(0, 0, null, null, null, new Ref<>()),
            () -> core.setTimer(event, TimerDelay.CANCEL, 0),
            () -> core.signalEvent(event),
            () -> core.waitForEvent(null, event),
            () -> core.checkEvent(event),
            () -> core.closeEvent(event),
            this::allocatePage,
            () -> core.freePages(0, 1),
            () -> core.getMemoryMap(new LongRef(), null, null),
            () -> core.allocatePool(MemoryType.BOOT_SERVICES_DATA, 1, new LongRef()),
            () -> core.freePool(0),
            () -> core.installProtocolInterface(new Ref<>(), DriverBinding.PROTOCOL, null),
            () -> core.uninstallProtocolInterface(null, DriverBinding.PROTOCOL, null),
            () ->
                core.openProtocol(
                    null, DriverBinding.PROTOCOL, null, null, null, OpenAttribute.GET_PROTOCOL),
            () -> core.closeProtocol(null, DriverBinding.PROTOCOL, null, null),
            () -> core.handleProtocol(null, DriverBinding.PROTOCOL, null),
            () -> core.locateHandleBuffer(DriverBinding.PROTOCOL, new Ref<>()),
            () -> core.locateProtocol(DriverBinding.PROTOCOL, new Ref<>()),
            () -> core.connectController(null, false),
            () -> core.disconnectController(null),
            () -> core.exitBootServices(0),
            () -> core.stall(1));
    for (Executable call : calls) {
      assertThrows(IllegalStateException.class, call);
    }
  }

  private Event timer(EventNotify notify) {
    Event timer = bench.event(EventType.TIMER | EventType.NOTIFY_SIGNAL, Tpl.NOTIFY, notify);
    assertEquals(EfiStatus.SUCCESS, core.setTimer(timer, TimerDelay.RELATIVE, 100));
    return timer;
  }

  private void allocatePage() {
    assertEquals(
        EfiStatus.SUCCESS,
        core.allocatePages(
            AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1, new LongRef()));
  }
}
