package dev.virtiolab.firmware.exitboot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.virtiolab.firmware.core.CoreEvent;
import dev.virtiolab.firmware.core.CoreSetup;
import dev.virtiolab.firmware.core.DispatchObserver;
import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.core.GroupOrder;
import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.Tpl;
import dev.virtiolab.pci.fixture.FlatCpuMemory;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** A handler that puts off what it is there for. */
class StagedHandlerTest {
  private static final long RAM_BYTES = 16L << 20;

  private final List<String> log = new ArrayList<>();
  private final DxeCore core =
      new DxeCore(
          new FlatCpuMemory(Arena.ofAuto().allocate(RAM_BYTES, 8)),
          new VirtualClock(),
          HandOffs.withRam(RAM_BYTES),
          new CoreSetup(
              GroupOrder.EDK2,
              new DispatchObserver() {
                @Override
                public void entered(CoreEvent event) {
                  log.add("@" + event.notifyTpl());
                }
              },
              Set.of()));

  private StagedHandler staged(int... levels) {
    return new StagedHandler(
        core, EventGroups.EXIT_BOOT_SERVICES, () -> log.add("act@" + core.currentTpl()), levels);
  }

  private void other(int tpl, String name) {
    core.createEvent(
        EventType.SIGNAL_EXIT_BOOT_SERVICES,
        tpl,
        (event, context) -> log.add(name),
        null,
        new Ref<>());
  }

  private void exit() {
    assertEquals(EfiStatus.SUCCESS, core.exitBootServices(core.memoryMapKey()));
  }

  @Test
  void withOneStageItIsAnOrdinaryHandler() {
    other(Tpl.CALLBACK, "last");
    assertEquals(EfiStatus.SUCCESS, staged(Tpl.CALLBACK).arm());
    other(Tpl.CALLBACK, "first");
    exit();
    assertEquals(List.of("@8", "first", "@8", "act@8", "@8", "last"), log);
  }

  @Test
  void eachFurtherStageIsQueuedBehindItsLevel() {
    other(Tpl.CALLBACK, "other");
    staged(Tpl.CALLBACK, Tpl.CALLBACK, Tpl.CALLBACK).arm();
    exit();
    assertEquals(List.of("@8", "@8", "other", "@8", "@8", "act@8"), log);
  }

  @Test
  void aStageAtAHigherLevelRunsAtOnce() {
    other(Tpl.CALLBACK, "other");
    staged(Tpl.CALLBACK, Tpl.NOTIFY).arm();
    exit();
    assertEquals(List.of("@8", "@16", "act@16", "@8", "other"), log);
  }

  @Test
  void oneWhoWasDisarmedDoesNothing() {
    StagedHandler handler = staged(Tpl.NOTIFY, Tpl.CALLBACK);
    handler.arm();
    handler.disarm();
    exit();
    assertEquals(List.of(), log);
  }

  @Test
  void whatCannotBeArmedLeavesNothingArmed() {
    assertEquals(EfiStatus.INVALID_PARAMETER, staged(Tpl.HIGH_LEVEL, Tpl.CALLBACK).arm());
    exit();
    assertEquals(List.of(), log);
  }

  @Test
  void theBeforeGroupCanBeJoinedToo() {
    new StagedHandler(
            core, EventGroups.BEFORE_EXIT_BOOT_SERVICES, () -> log.add("before"), Tpl.CALLBACK)
        .arm();
    core.exitBootServices(-1);
    assertEquals(List.of("@8", "before"), log);
  }

  @Test
  void aHandlerWithoutStagesIsNone() {
    assertThrows(IllegalArgumentException.class, this::staged);
  }
}
