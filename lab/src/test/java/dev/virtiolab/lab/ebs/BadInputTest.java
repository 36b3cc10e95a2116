package dev.virtiolab.lab.ebs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.iommu.TeardownSeat;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.Tpl;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A policy or a driver that never comes to an end, throws, or breaks the rules of a firmware. */
class BadInputTest {
  private static final Duration A_WHILE = Duration.ofSeconds(30);

  private static final Effort QUICK = new Effort(false, 2, Duration.ofMillis(300));

  private static Arguments handler(String why, Consumer<TeardownSeat> handler) {
    return Arguments.of(why, handler);
  }

  /** What the cut says of it; a handler. */
  static Stream<Arguments> handlersThatDoNotEnd() {
    return Stream.of(
        handler(
            "it throws java.lang.IllegalStateException: on purpose",
            seat -> {
              throw new IllegalStateException("on purpose");
            }),
        handler(
            "it throws java.lang.AssertionError: on purpose",
            seat -> {
              throw new AssertionError("on purpose");
            }),
        handler(
            "it throws java.lang.NoClassDefFoundError: mine",
            seat -> {
              throw new NoClassDefFoundError("mine");
            }),
        handler("it throws java.lang.OutOfMemoryError", seat -> takeAllMemory()),
        handler("it calls itself without end", seat -> recurse(0)),
        handler("it loops", BadInputTest::recurseWithCalls),
        handler("it loops", seat -> callForever(seat.bootServices())),
        handler("came back at TPL 16, not 8", seat -> seat.bootServices().raiseTpl(Tpl.NOTIFY)),
        handler("restoreTpl", seat -> seat.bootServices().restoreTpl(Tpl.HIGH_LEVEL)),
        handler("boot services are gone", BadInputTest::exitBootServicesItself));
  }

  private static void takeAllMemory() {
    long[] all = new long[Integer.MAX_VALUE];
    throw new IllegalStateException("there was room for " + all.length);
  }

  private static int recurse(int depth) {
    return depth < 0 ? depth : recurse(depth + 1) + 1;
  }

  private static int recurseWithCalls(TeardownSeat seat) {
    return seat.bootServices().currentTpl() < 0 ? 0 : recurseWithCalls(seat) + 1;
  }

  private static void callForever(BootServices bootServices) {
    while (bootServices.currentTpl() >= 0) {
      bootServices.freePages(0, 0);
    }
  }

  private static void exitBootServicesItself(TeardownSeat seat) {
    LongRef key = new LongRef();
    seat.bootServices().getMemoryMap(new LongRef(0), new Ref<>(), key);
    seat.bootServices().exitBootServices(key.value);
  }

  @ParameterizedTest
  @MethodSource("handlersThatDoNotEnd")
  void aHandlerThatDoesNotEndIsCutWithTheHistoryAndTheOtherCellsRun(
      String why, Consumer<TeardownSeat> handler) {
    Trials trials = new Trials().policyHandler(handler);
    List<Cell> cells =
        assertTimeoutPreemptively(
            A_WHILE,
            () ->
                trials
                    .explorer()
                    .explore(
                        List.of(
                            Trials.task("sev", "core-hook", "virtio-net"),
                            Trials.task("sev", Trials.MY_POLICY, "virtio-net"),
                            Trials.task("sev", "requeue-callback", "virtio-net")),
                        Explorer.Progress.NONE));
    assertEquals("safe []", Trials.outcome(cells.getFirst()));
    assertEquals("safe []", Trials.outcome(cells.getLast()));
    Cell cell = cells.get(1);
    assertEquals(Verdict.DOES_NOT_TERMINATE, cell.verdict(), why);
    assertTrue(Trials.cut(cell).contains(why), Trials.cut(cell));
    History failure = cell.shortestFailure().orElseThrow();
    Timeline again = trials.explorer().replay(failure.id());
    assertEquals(failure, again.history());
    assertTrue(again.steps().stream().anyMatch(step -> step.kind() == Step.Kind.ENTER), why);
  }

  /** What the cut says of it; what arm does. */
  static Stream<Arguments> policiesThatAreNotArmed() {
    return Stream.of(
        Arguments.of("returns null", arm(seat -> null)),
        Arguments.of("OUT_OF_RESOURCES", arm(seat -> EfiStatus.OUT_OF_RESOURCES)),
        Arguments.of(
            "leaves the TPL at NOTIFY",
            arm(
                seat -> {
                  seat.bootServices().raiseTpl(Tpl.NOTIFY);
                  return EfiStatus.SUCCESS;
                })),
        Arguments.of(
            "it calls itself",
            arm(
                seat -> {
                  recurse(0);
                  return EfiStatus.SUCCESS;
                })),
        Arguments.of(
            "it loops",
            arm(
                seat -> {
                  callForever(seat.bootServices());
                  return EfiStatus.SUCCESS;
                })),
        Arguments.of(
            "it waits without end",
            arm(
                seat -> {
                  Ref<Event> never = new Ref<>();
                  seat.bootServices().createEvent(0, 0, null, null, never);
                  return seat.bootServices().waitForEvent(null, never.value);
                })));
  }

  private static Function<TeardownSeat, EfiStatus> arm(Function<TeardownSeat, EfiStatus> arm) {
    return arm;
  }

  @ParameterizedTest
  @MethodSource("policiesThatAreNotArmed")
  void aPolicyThatCannotBeArmedIsCut(String why, Function<TeardownSeat, EfiStatus> arm) {
    Cell cell =
        assertTimeoutPreemptively(
            A_WHILE, () -> new Trials().policy(arm).cell("vtd", Trials.MY_POLICY, "virtio-net"));

    assertEquals(Verdict.DOES_NOT_TERMINATE, cell.verdict());
    assertTrue(Trials.cut(cell).contains(why), Trials.cut(cell));
  }

  @Test
  void aDriverThatDoesNotStartIsCut() {
    Cell none = new Trials().driver(seat -> null).cell("sev", "core-hook", Trials.MY_DRIVER);
    assertEquals("start of my-driver returns null", Trials.cut(none));

    Cell high =
        new Trials()
            .armedDriver(rig -> rig.bootServices().raiseTpl(Tpl.CALLBACK))
            .cell("sev", "core-hook", Trials.MY_DRIVER);
    assertEquals("my-driver leaves the TPL at CALLBACK", Trials.cut(high));

    Cell thrown =
        new Trials()
            .armedDriver(
                rig -> {
                  throw new AssertionError("on purpose");
                })
            .cell("sev", "core-hook", Trials.MY_DRIVER, "virtio-net");
    assertEquals("it throws java.lang.AssertionError: on purpose", Trials.cut(thrown));
  }

  @Test
  void whoSignalsTheGroupOrItselfAgainAndAgainIsCut() {
    Trials group = new Trials().policy(seat -> signalsItself(seat, true));
    Cell cell = group.cell("sev", Trials.MY_POLICY, "virtio-net");
    assertEquals(Verdict.DOES_NOT_TERMINATE, cell.verdict());
    assertTrue(cell.invariants().contains(Invariant.I8), Trials.outcome(cell));
    assertTrue(Trials.cut(cell).startsWith("groups are signalled so often"), Trials.cut(cell));

    Trials alone = new Trials().policy(seat -> signalsItself(seat, false));
    cell = alone.cell("sev", Trials.MY_POLICY, "virtio-net");
    assertEquals(Verdict.DOES_NOT_TERMINATE, cell.verdict());
    assertTrue(!cell.invariants().contains(Invariant.I8), Trials.outcome(cell));
    assertTrue(Trials.cut(cell).startsWith("it loops"), Trials.cut(cell));
  }

  /** An event that signals itself: a member of the group, or one that a member signals. */
  private static EfiStatus signalsItself(TeardownSeat seat, boolean member) {
    Ref<Event> event = new Ref<>();
    EfiStatus status =
        seat.bootServices()
            .createEventEx(
                EventType.NOTIFY_SIGNAL,
                Tpl.CALLBACK,
                (self, context) -> seat.bootServices().signalEvent(self),
                null,
                member ? EventGroups.EXIT_BOOT_SERVICES : null,
                event);
    if (!member) {
      Trials.armed(seat.bootServices(), () -> seat.bootServices().signalEvent(event.value));
    }
    return status;
  }

  @Test
  void thousandsOfMembersAreTooManyOrders() {
    Trials trials =
        new Trials()
            .policy(
                seat -> {
                  for (int i = 0; i < 5_000; i++) {
                    Trials.armed(seat.bootServices(), () -> {});
                  }
                  return EfiStatus.SUCCESS;
                });
    Cell cell = trials.cell("sev", Trials.MY_POLICY, "virtio-net");

    assertEquals(Verdict.DOES_NOT_TERMINATE, cell.verdict());
    assertTrue(Trials.cut(cell).endsWith("too many orders to try"), Trials.cut(cell));
  }

  @Test
  void anEventThatIsClosedWhileItIsQueuedJustDoesNotRun() {
    Trials trials =
        new Trials()
            .policy(
                seat -> {
                  Ref<Event> teardown = new Ref<>();
                  seat.bootServices()
                      .createEventEx(
                          EventType.NOTIFY_SIGNAL,
                          Tpl.CALLBACK,
                          (event, context) -> seat.mappings().unmapAll(),
                          null,
                          EventGroups.EXIT_BOOT_SERVICES,
                          teardown);
                  return Trials.armed(
                      seat.bootServices(), () -> seat.bootServices().closeEvent(teardown.value));
                });
    Cell cell = trials.cell("sev", Trials.MY_POLICY, "reset-notify");

    // Closed before it runs, or after.
    assertEquals("unsafe [I2, I5, I6, I7, I9]", Trials.outcome(cell));
    assertEquals(2, cell.orders());
  }

  @Test
  void bootServicesInTheCoreHookAreGone() {
    Trials trials =
        new Trials()
            .policy(
                seat -> {
                  seat.atReturn(() -> seat.bootServices().stall(1));
                  return EfiStatus.SUCCESS;
                });
    Cell cell = trials.cell("sev", Trials.MY_POLICY, "virtio-net");

    assertEquals("does-not-terminate [I7]", Trials.outcome(cell));
    assertTrue(Trials.why(cell, Invariant.I7).contains("boot services are gone"));
  }

  @Test
  void toCatchTheCutChangesNothing() {
    History once = loopsAndCatches(1);
    History often = loopsAndCatches(1_000);

    assertTrue(once.cut().orElse("").startsWith("it loops"), once.cut()::toString);
    assertEquals(once, often);
  }

  /** The history of a handler that goes on so many times as if it had not been cut. */
  private static History loopsAndCatches(int times) {
    return new Trials()
        .policyHandler(
            seat -> {
              for (int i = 0; i < times; i++) {
                freeForever(seat.bootServices());
              }
              seat.mappings().unmapAll();
            })
        .cell("sev", Trials.MY_POLICY, "virtio-net")
        .shortestFailure()
        .orElseThrow();
  }

  private static void freeForever(BootServices bootServices) {
    try {
      while (true) {
        bootServices.freePages(0, 0);
      }
    } catch (Throwable cut) {
      // Goes on.
    }
  }

  @Test
  void aTightLoopIsGivenUpAfterAWhileAndTheOtherCellsRun() {
    boolean[] enough = new boolean[1];
    Trials trials = new Trials().with(QUICK).policyHandler(seat -> spin(enough));
    List<Cell> cells;
    try {
      cells =
          assertTimeoutPreemptively(
              A_WHILE,
              () ->
                  trials
                      .explorer()
                      .explore(
                          List.of(
                              Trials.task("sev", Trials.MY_POLICY, "virtio-net"),
                              Trials.task("sev", "core-hook", "no-handler"),
                              Trials.task("vtd", Trials.MY_POLICY, "virtio-net")),
                          Explorer.Progress.NONE));
    } finally {
      enough[0] = true;
    }

    assertEquals("unsafe [I1, I4]", Trials.outcome(cells.get(1)));
    assertEquals(Verdict.DOES_NOT_TERMINATE, cells.getFirst().verdict());
    assertEquals(Verdict.DOES_NOT_TERMINATE, cells.getLast().verdict());
    History hung = cells.getFirst().shortestFailure().orElseThrow();
    assertTrue(Trials.cut(cells.getFirst()).startsWith("my-policy hangs"), hung.toString());
    assertTrue(hung.steps() > 0, "with the history up to there");
  }

  @Test
  void whoHasHungOnceIsGivenNoOtherThread() {
    boolean[] enough = new boolean[1];
    Trials trials = new Trials().with(QUICK).policyHandler(seat -> spin(enough));
    List<Explorer.Task> tasks =
        Stream.of("virtio-net", "no-handler", "allocates", "reset-notify")
            .map(driver -> Trials.task("sev", Trials.MY_POLICY, driver))
            .toList();
    long before = threads();
    try {
      List<Cell> cells = trials.explorer().explore(tasks, Explorer.Progress.NONE);
      cells.forEach(cell -> assertEquals(Verdict.DOES_NOT_TERMINATE, cell.verdict()));
      assertTrue(threads() - before <= 2, "one for each lane at most");
      assertEquals("my-policy hung before, and is not tried again", Trials.cut(cells.getLast()));
    } finally {
      enough[0] = true;
    }
  }

  private static long threads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().equals("order") && thread.isAlive())
        .count();
  }

  private static void spin(boolean[] enough) {
    while (!enough[0]) {
      Thread.onSpinWait();
    }
  }

  @Test
  void nothingIsLeftBehind() throws IOException {
    Trials trials =
        new Trials()
            .policyHandler(
                seat -> {
                  throw new IllegalStateException("on purpose");
                });
    List<Explorer.Task> tasks = new ArrayList<>();
    for (String driver : List.of("virtio-net", "no-handler", "allocates", "reset-callback")) {
      tasks.add(Trials.task("sev", Trials.MY_POLICY, driver));
      tasks.add(Trials.task("vtd", "requeue-callback", driver));
      tasks.add(Trials.task("noncoherent", "iommu-callback", driver));
    }
    HistoryId id = HistoryId.parse("sev/requeue-callback/virtio-net/0");
    trials.explorer().explore(tasks, Explorer.Progress.NONE);
    long files = openFiles();
    long threads = orderThreads();
    for (int i = 0; i < 8; i++) {
      trials.explorer().explore(tasks, Explorer.Progress.NONE);
      trials.explorer().replay(id);
      trials.explorer().encounter(id.platform(), id.policy(), "virtio-net");
    }

    assertTrue(openFiles() <= files + 2, "files: %d, then %d".formatted(files, openFiles()));
    long deadline = System.nanoTime() + A_WHILE.toNanos();
    while (orderThreads() > threads && System.nanoTime() < deadline) {
      Thread.onSpinWait();
    }
    assertTrue(orderThreads() <= threads, "threads: " + orderThreads());
  }

  private static long openFiles() throws IOException {
    try (Stream<Path> files = Files.list(Path.of("/proc/self/fd"))) {
      return files.count();
    }
  }

  /** Threads on which orders are run. */
  private static long orderThreads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().equals("order"))
        .count();
  }
}
