package dev.virtiolab.lab.ebs;

import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.TimerDelay;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.Arrays;

/** The loaders of each {@link Circumstance}. */
final class Loaders {
  private static final long TICK = 100_000; // 100 ns units: 10 ms
  private static final long TEN_TICKS_MICROS = 100_000;

  private Loaders() {}

  static Loader of(Circumstance circumstance) {
    return switch (circumstance) {
      case STALE_KEY -> new StaleKey();
      case CALLED_AT_CALLBACK -> new RaisedTpl(Tpl.CALLBACK);
      case CALLED_AT_NOTIFY -> new RaisedTpl(Tpl.NOTIFY);
      case BEFORE_CHANGES_MAP -> new BeforeChangesMap();
    };
  }

  private static void allocatePage(BootServices bootServices) {
    bootServices.allocatePages(AllocateType.ANY_PAGES, MemoryType.LOADER_DATA, 1, new LongRef());
  }

  private static String handlersThatRan(Run.Desk desk) {
    return "handlers of the ExitBootServices group that have run: %d"
        .formatted(desk.handlers().dispatches(EventGroups.EXIT_BOOT_SERVICES));
  }

  /**
   * Allocates between fetching the map and calling. Nothing may have happened to handlers; the
   * timer is dead; DMA goes on; and a second call succeeds.
   */
  private static final class StaleKey implements Loader {
    private int ticks;

    @Override
    public void prepare(Run.Desk desk) {
      Ref<Event> timer = new Ref<>();
      desk.bootServices()
          .createEvent(
              EventType.TIMER | EventType.NOTIFY_SIGNAL,
              Tpl.CALLBACK,
              (event, context) -> ticks++,
              null,
              timer);
      desk.bootServices().setTimer(timer.value, TimerDelay.PERIODIC, TICK);
      desk.bootServices().stall(TEN_TICKS_MICROS);
      desk.require(ticks > 0, "a periodic timer fires before the call");
    }

    @Override
    public EfiStatus exitBootServices(Run.Desk desk) {
      desk.fetchMap();
      allocatePage(desk.bootServices());
      EfiStatus status = desk.call();
      desk.require(
          status == EfiStatus.INVALID_PARAMETER, "the call with the stale key returns " + status);
      desk.require(
          desk.handlers().dispatches(EventGroups.EXIT_BOOT_SERVICES) == 0, handlersThatRan(desk));
      if (status.isError()) {
        int before = ticks;
        desk.bootServices().stall(TEN_TICKS_MICROS);
        desk.require(
            ticks == before, "ticks of the timer in the 100 ms that follow: " + (ticks - before));
        desk.cards().forEach(card -> receive(desk, card));
        status = Loader.callUntilAccepted(desk);
      }
      desk.require(!status.isError(), "the next call, with a fresh key, returns " + status);
      return status;
    }

    private static void receive(Run.Desk desk, Card card) {
      byte[] frame = card.frame();
      card.deliver(frame);
      // What came in gaps before is in front of it.
      boolean arrived = false;
      for (var got = card.driverSide().receive();
          got.isPresent() && !arrived;
          got = card.driverSide().receive()) {
        arrived = Arrays.equals(got.get(), frame);
      }
      desk.require(
          arrived,
          "a frame that comes to %s now %s"
              .formatted(card.name(), arrived ? "arrives" : "is lost"));
    }
  }

  /** Calls at a raised level: handlers at that level and below are queued, and nobody drains it. */
  private record RaisedTpl(int tpl) implements Loader {
    @Override
    public EfiStatus exitBootServices(Run.Desk desk) {
      desk.fetchMap();
      desk.bootServices().raiseTpl(tpl);
      EfiStatus status = desk.call();
      desk.note("the call returns " + status);
      desk.note(handlersThatRan(desk));
      return status;
    }
  }

  /** The first call finds that the map has changed under it, the second succeeds. */
  private static final class BeforeChangesMap implements Loader {
    @Override
    public void prepare(Run.Desk desk) {
      desk.bootServices()
          .createEventEx(
              EventType.NOTIFY_SIGNAL,
              Tpl.CALLBACK,
              (event, context) -> allocatePage(desk.bootServices()),
              null,
              EventGroups.BEFORE_EXIT_BOOT_SERVICES,
              new Ref<>());
    }

    @Override
    public EfiStatus exitBootServices(Run.Desk desk) {
      desk.fetchMap();
      EfiStatus status = desk.call();
      desk.require(status == EfiStatus.INVALID_PARAMETER, "the first call returns " + status);
      if (status.isError()) {
        desk.require(
            desk.handlers().dispatches(EventGroups.EXIT_BOOT_SERVICES) == 0, handlersThatRan(desk));
        status = Loader.callUntilAccepted(desk);
        desk.require(!status.isError(), "the second call, with a fresh key, returns " + status);
      }
      return status;
    }
  }
}
