package dev.virtiolab.firmware.exitboot.policy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.core.ExitBootServicesHook;
import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.iommu.MappingTeardown;
import dev.virtiolab.firmware.iommu.TeardownPolicy;
import dev.virtiolab.firmware.iommu.TeardownSeat;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.EventNotify;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.Tpl;
import dev.virtiolab.pci.fixture.FlatCpuMemory;
import java.lang.foreign.Arena;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * When each policy does what, among drivers' handlers at either level, and one that is queued by
 * another at CALLBACK.
 */
class PoliciesTest {
  private static final long RAM_BYTES = 16L << 20;
  private static final Map<Integer, String> LEVELS = Map.of(4, "A", 8, "C", 16, "N");

  private final List<String> log = new ArrayList<>();
  private final DxeCore core =
      new DxeCore(
          new FlatCpuMemory(Arena.ofAuto().allocate(RAM_BYTES, 8)),
          new VirtualClock(),
          HandOffs.withRam(RAM_BYTES));

  private void note(String what) {
    log.add(what + "@" + (core.bootServicesGone() ? "gone" : LEVELS.get(core.currentTpl())));
  }

  private final class Seat implements TeardownSeat, MappingTeardown {
    private final BootServices bootServices;

    private Seat(BootServices bootServices) {
      this.bootServices = bootServices;
    }

    @Override
    public BootServices bootServices() {
      return bootServices;
    }

    @Override
    public MappingTeardown mappings() {
      return this;
    }

    @Override
    public void atReturn(Runnable last) {
      core.onExitBootServices(
          new ExitBootServicesHook() {
            @Override
            public void aboutToReturn() {
              last.run();
            }
          });
    }

    @Override
    public void disableBusMasters() {
      note("masters-off");
    }

    @Override
    public void lockMemoryMap() {
      note("lock");
    }

    @Override
    public void unmapAll() {
      note("unmap");
    }

    @Override
    public void releaseSlots() {
      note("release");
    }

    @Override
    public void stopTranslation() {
      note("translation-off");
    }

    @Override
    public int openMappings() {
      return 0;
    }
  }

  private static TeardownPolicy policy(String name) {
    return Policies.builtIn().stream()
        .map(maker -> maker.get())
        .filter(policy -> policy.name().equals(name))
        .findFirst()
        .orElseThrow();
  }

  private Event driver(int type, int tpl, EventNotify notify) {
    Ref<Event> event = new Ref<>();
    assertEquals(EfiStatus.SUCCESS, core.createEvent(type, tpl, notify, null, event));
    return event.value;
  }

  @ParameterizedTest
  @CsvSource({
    "drivers-unmap, before N1 C1 C2 late",
    "iommu-callback, before N1 C1 unmap@C release@C C2 late",
    "iommu-notify, before N1 unmap@N release@N C1 C2 late",
    "requeue-callback, before N1 C1 C2 late unmap@C release@C",
    "requeue-from-notify, before N1 C1 C2 unmap@C release@C late",
    "requeue-to-notify, before N1 C1 unmap@N release@N C2 late",
    "requeue-twice, before N1 C1 C2 late unmap@C release@C",
    "core-hook, before N1 C1 C2 late unmap@gone release@gone",
    "vtd-keep, before N1 C1 C2 late",
    "vtd-off, before N1 C1 translation-off@C C2 late",
    "bus-master-off, before N1 masters-off@N C1 C2 late unmap@C release@C",
    "before-exit, before unmap@C release@C N1 C1 C2 late"
  })
  void eachActsAtItsMomentAndLevelAndUnmapsBeforeItReleases(String name, String expected) {
    // Before the policy, so that they run after it within a level: edk2 walks a group backwards.
    Event late = driver(EventType.NOTIFY_SIGNAL, Tpl.CALLBACK, (event, context) -> log.add("late"));
    driver(EventType.SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK, (event, context) -> log.add("C2"));
    assertEquals(EfiStatus.SUCCESS, policy(name).arm(new Seat(core)));
    driver(
        EventType.SIGNAL_EXIT_BOOT_SERVICES,
        Tpl.CALLBACK,
        (event, context) -> {
          log.add("C1");
          core.signalEvent(late);
        });
    driver(EventType.SIGNAL_EXIT_BOOT_SERVICES, Tpl.NOTIFY, (event, context) -> log.add("N1"));
    core.createEventEx(
        EventType.NOTIFY_SIGNAL,
        Tpl.CALLBACK,
        (event, context) -> log.add("before"),
        null,
        EventGroups.BEFORE_EXIT_BOOT_SERVICES,
        new Ref<>());
    assertEquals(EfiStatus.SUCCESS, core.exitBootServices(core.memoryMapKey()));
    assertEquals(expected, String.join(" ", log));
  }

  @Test
  void onlyTheTwoForVtdNeedRemapping() {
    assertEquals(
        List.of("vtd-keep", "vtd-off"),
        Policies.builtIn().stream()
            .map(maker -> maker.get())
            .filter(TeardownPolicy::needsRemapping)
            .map(TeardownPolicy::name)
            .toList());
  }

  @Test
  void eachMakerMakesANewOne() {
    Policies.builtIn().forEach(maker -> assertTrue(maker.get() != maker.get()));
  }

  @Test
  void whereAnEventCannotBeMadeNothingStaysArmed() {
    for (int good = 0; good < 4; good++) {
      for (var maker : Policies.builtIn()) {
        int[] left = {good};
        int[] open = {0};
        EfiStatus status = maker.get().arm(new Seat(failingAfter(left, open)));
        assertEquals(status.isError(), left[0] < 0, maker.get().name());
        assertTrue(!status.isError() || open[0] == 0, maker.get().name());
      }
    }
  }

  /** Boot services whose CreateEvent works so many times; counts the events that are open. */
  private BootServices failingAfter(int[] left, int[] open) {
    return (BootServices)
        Proxy.newProxyInstance(
            BootServices.class.getClassLoader(),
            new Class<?>[] {BootServices.class},
            (proxy, method, arguments) -> {
              boolean creates = method.getName().startsWith("createEvent");
              if (creates && --left[0] < 0) {
                return EfiStatus.OUT_OF_RESOURCES;
              }
              open[0] += creates ? 1 : method.getName().equals("closeEvent") ? -1 : 0;
              return method.invoke(core, arguments);
            });
  }
}
