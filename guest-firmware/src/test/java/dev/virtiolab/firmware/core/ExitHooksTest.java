package dev.virtiolab.firmware.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The two moments of ExitBootServices that only the core can tell of. */
class ExitHooksTest {
  private final Bench bench = new Bench();
  private final DxeCore core = bench.core;

  private final class Hook implements ExitBootServicesHook {
    private final String name;

    private Hook(String name) {
      this.name = name;
    }

    @Override
    public void memoryMapAccepted() {
      bench.log.add("accepted" + name);
      assertFalse(core.bootServicesGone());
      assertEquals(Tpl.APPLICATION, core.currentTpl());
    }

    @Override
    public void aboutToReturn() {
      bench.log.add("returning" + name);
      assertTrue(core.bootServicesGone());
      assertThrows(IllegalStateException.class, core::currentTpl);
    }
  }

  private void watchGroups() {
    bench.inGroup(EventGroups.BEFORE_EXIT_BOOT_SERVICES, Tpl.CALLBACK, bench.logs("before"));
    bench.inGroup(EventGroups.EXIT_BOOT_SERVICES_FAILED, Tpl.CALLBACK, bench.logs("failed"));
    bench.event(EventType.SIGNAL_EXIT_BOOT_SERVICES, Tpl.NOTIFY, bench.logs("notify"));
    var second = bench.signal(Tpl.CALLBACK, bench.logs("requeued"));
    bench.event(
        EventType.SIGNAL_EXIT_BOOT_SERVICES,
        Tpl.CALLBACK,
        (event, context) -> {
          bench.log.add("callback");
          core.signalEvent(second);
        });
  }

  @Test
  void theMapIsAcceptedBeforeAnyHandlerAndTheLastWordIsAfterAllOfThem() {
    watchGroups();
    core.onExitBootServices(new Hook(""));
    assertEquals(EfiStatus.SUCCESS, core.exitBootServices(bench.mapKey()));
    assertEquals(
        List.of("before", "accepted", "notify", "callback", "requeued", "returning"), bench.log);
  }

  @Test
  void aWrongKeyIsToldToNoHook() {
    watchGroups();
    core.onExitBootServices(new Hook(""));
    assertEquals(EfiStatus.INVALID_PARAMETER, core.exitBootServices(bench.mapKey() - 1));
    assertEquals(List.of("before", "failed"), bench.log);
    bench.log.clear();
    assertEquals(EfiStatus.SUCCESS, core.exitBootServices(bench.mapKey()));
    assertEquals(List.of("accepted", "notify", "callback", "requeued", "returning"), bench.log);
  }

  @Test
  void hooksAreCalledInTheOrderInWhichTheyCame() {
    core.onExitBootServices(new Hook(" 1"));
    core.onExitBootServices(new Hook(" 2"));
    core.exitBootServices(bench.mapKey());
    assertEquals(List.of("accepted 1", "accepted 2", "returning 1", "returning 2"), bench.log);
  }
}
