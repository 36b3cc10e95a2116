package dev.virtiolab.firmware.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Who watches the core sees each notification begin and end, and in whom it is nested. */
class DispatchObserverTest {
  private final List<String> seen = new ArrayList<>();
  private final Bench bench =
      new Bench(
          new CoreSetup(
              GroupOrder.EDK2,
              new DispatchObserver() {
                @Override
                public void entered(CoreEvent event) {
                  seen.add("enter " + event.serial() + "@" + level(event));
                }

                @Override
                public void left(CoreEvent event) {
                  seen.add("leave " + event.serial() + "@" + level(event));
                }
              },
              Set.of()));

  /** The event's level, which is the core's while the observer is told. */
  private int level(CoreEvent event) {
    assertEquals(event.notifyTpl(), bench.core.currentTpl());
    return event.notifyTpl();
  }

  @Test
  void aHigherLevelIsSeenInsideTheLowerAndTheSameLevelAfterIt() {
    Event nested = bench.signal(Tpl.NOTIFY, bench.logs("nested"));
    Event after = bench.signal(Tpl.CALLBACK, bench.logs("after"));
    Event outer =
        bench.signal(
            Tpl.CALLBACK,
            (event, context) -> {
              bench.core.signalEvent(after);
              bench.core.signalEvent(nested);
              bench.log.add("outer");
            });
    bench.core.signalEvent(outer);
    long n = ((CoreEvent) nested).serial();
    assertEquals(
        List.of(
            "enter %d@8".formatted(n + 2),
            "enter %d@16".formatted(n),
            "leave %d@16".formatted(n),
            "leave %d@8".formatted(n + 2),
            "enter %d@8".formatted(n + 1),
            "leave %d@8".formatted(n + 1)),
        seen);
    assertEquals(List.of("nested", "outer", "after"), bench.log);
  }

  @Test
  void aNotificationThatThrowsIsNotLeft() {
    RuntimeException thrown = new RuntimeException("on purpose");
    Event event =
        bench.signal(
            Tpl.CALLBACK,
            (self, context) -> {
              throw thrown;
            });
    assertSame(thrown, assertThrows(RuntimeException.class, () -> bench.core.signalEvent(event)));
    assertEquals(List.of("enter %d@8".formatted(((CoreEvent) event).serial())), seen);
  }

  @Test
  void handlersOfAGroupAreToldWithTheirGroup() {
    List<Object> groups = new ArrayList<>();
    Bench watched =
        new Bench(
            new CoreSetup(
                GroupOrder.EDK2,
                new DispatchObserver() {
                  @Override
                  public void entered(CoreEvent event) {
                    groups.add(event.group());
                  }
                },
                Set.of()));
    Event member =
        watched.event(EventType.SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK, (event, context) -> {});
    watched.core.exitBootServices(watched.mapKey());
    assertEquals(List.of(((CoreEvent) member).group()), groups);
  }

  @Test
  void nobodyIsToldOfAnEventWithoutNotification() {
    Event plain = bench.event(0, 0, null);
    bench.core.signalEvent(plain);
    bench.core.checkEvent(plain);
    assertEquals(List.of(), seen);
  }
}
