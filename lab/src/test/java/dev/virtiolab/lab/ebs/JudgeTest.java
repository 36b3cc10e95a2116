package dev.virtiolab.lab.ebs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.iommu.TeardownSeat;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.IoMmu;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.TimerDelay;
import dev.virtiolab.firmware.uefi.Tpl;
import dev.virtiolab.lab.ebs.Trials.Rig;
import dev.virtiolab.virtio.feature.DeviceStatus;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Each invariant, and each way in which it breaks: the smallest machine that shows it. */
class JudgeTest {
  private static final String NOBODY = "drivers-unmap";
  private static final String GOOD = "core-hook";
  private static final DmaOperation IN = DmaOperation.BUS_MASTER_WRITE;

  // ---- I1

  @ParameterizedTest
  @ValueSource(strings = {"sev", "vtd", "noncoherent"})
  void i1ALiveDeviceUsesWhatWasTakenDown(String platform) {
    Trials trials =
        new Trials()
            .armedDriver(
                rig ->
                    Trials.armed(
                        rig.bootServices(),
                        () -> {
                          rig.net.unmapAll();
                          rig.net.quiesce();
                        }));
    Cell cell = trials.cell(platform, GOOD, Trials.MY_DRIVER);

    assertTrue(cell.invariants().contains(Invariant.I1), Trials.outcome(cell));
    assertTrue(cell.histories().getFirst().steps() > 0);
  }

  @Test
  void i1ADeviceThatMayNotMasterTheBusIsNotLive() {
    Trials trials =
        new Trials()
            .armedDriver(
                rig ->
                    Trials.armed(
                        rig.bootServices(),
                        () -> {
                          rig.pciIo().pciWrite(PciIo.Width.UINT16, 4, 0);
                          rig.net.unmapAll();
                        }));
    // Reset is a register's write, and memory decoding is off: it stays as it is.
    assertEquals("unsafe [I4]", Trials.outcome(trials.cell("sev", GOOD, Trials.MY_DRIVER)));
  }

  @Test
  void i1ALiveDeviceReachesASharedPageThatNobodyDeclares() {
    Cell cell = aroundPciIo().cell("sev", GOOD, Trials.MY_DRIVER);

    assertTrue(Trials.why(cell, Invariant.I1).contains("shared and which no mapping declares"));
  }

  @Test
  void i1ALiveDeviceReachesWhatItsTablesGiveIt() {
    Cell cell = aroundPciIo().cell("vtd", GOOD, Trials.MY_DRIVER);

    assertTrue(Trials.why(cell, Invariant.I1).contains("which its tables still give it"));
  }

  @Test
  void i1ALiveDeviceReachesEverythingWithTranslationOff() {
    Trials trials = new Trials().policyHandler(seat -> seat.mappings().stopTranslation());
    Cell cell = trials.cell("vtd", Trials.MY_POLICY, "no-handler");

    assertTrue(Trials.why(cell, Invariant.I1).contains("translation is off"));
    assertEquals(
        "unsafe [I2, I6, I9]",
        Trials.outcome(
            new Trials()
                .policyHandler(seat -> seat.mappings().stopTranslation())
                .cell("vtd", Trials.MY_POLICY, "reset-notify")));
  }

  /** A driver that maps a page by the IOMMU protocol itself, and never unmaps it. */
  private static Trials aroundPciIo() {
    return aroundPciIo(rig -> rig.net.quiesce());
  }

  /** And this in its handler. */
  private static Trials aroundPciIo(Consumer<Rig> handler) {
    return new Trials()
        .armedDriver(
            rig -> {
              Ref<IoMmu> ioMmu = new Ref<>();
              Ref<DmaMapping> mapping = new Ref<>();
              rig.bootServices().locateProtocol(IoMmu.PROTOCOL, ioMmu);
              LongRef page = new LongRef();
              allocate(rig.bootServices(), page);
              ioMmu.value.map(IN, page.value, new LongRef(4096), new LongRef(), mapping);
              ioMmu.value.setAttribute(rig.seat.controller(), mapping.value, IoMmu.ACCESS_WRITE);
              Trials.armed(rig.bootServices(), () -> handler.accept(rig));
            });
  }

  // ---- I2 and I9

  @Test
  void i2AndI9AMappingIsOpenAtHandOff() {
    Cell cell = new Trials().cell("vtd", NOBODY, "virtio-net");

    assertEquals("unsafe [I2, I9]", Trials.outcome(cell));
    assertTrue(Trials.why(cell, Invariant.I2).startsWith("open at hand-off: the "));
    assertTrue(Trials.why(cell, Invariant.I9).startsWith("never taken down: the "));
  }

  @Test
  void i2AndI9AMappingThatWasMadeAroundPciIoIsOpenAtHandOff() {
    Cell cell = aroundPciIo().cell("vtd", NOBODY, Trials.MY_DRIVER, "never-maps");

    assertTrue(cell.invariants().contains(Invariant.I2), Trials.outcome(cell));
    assertTrue(cell.invariants().contains(Invariant.I9), Trials.outcome(cell));
    Cell own =
        aroundPciIo()
            .policyHandler(TeardownSeat::mappings)
            .cell("sev", Trials.MY_POLICY, Trials.MY_DRIVER);
    assertTrue(Trials.why(own, Invariant.I2).startsWith("open at hand-off"), Trials.outcome(own));
  }

  @Test
  void i9AMappingThatWasMadeAroundPciIoIsNeverTakenDown() {
    Trials trials =
        aroundPciIo(
            rig -> {
              rig.net.quiesce();
              rig.net.unmapAll();
            });
    Cell cell = trials.cell("vtd", NOBODY, Trials.MY_DRIVER);

    assertTrue(Trials.why(cell, Invariant.I2).endsWith("around PciIo: 1"), Trials.outcome(cell));
    assertTrue(Trials.why(cell, Invariant.I9).endsWith("around PciIo: 1"), Trials.outcome(cell));
  }

  @Test
  void whatWasMappedAroundPciIoIsTakenDownWithTheRest() {
    assertEquals(
        "unsafe [I1]",
        Trials.outcome(aroundPciIo().cell("sev", "requeue-callback", Trials.MY_DRIVER)));
  }

  @Test
  void i9AMappingIsTakenDownTwice() {
    Trials trials =
        new Trials()
            .armedDriver(
                rig -> {
                  LongRef page = new LongRef();
                  Ref<DmaMapping> mapping = new Ref<>();
                  allocate(rig.bootServices(), page);
                  rig.seat
                      .device()
                      .mapSharedBuffer(IN, page.value, new LongRef(64), new LongRef(), mapping);
                  Trials.armed(
                      rig.bootServices(),
                      () -> {
                        rig.net.quiesce();
                        rig.seat.device().unmapSharedBuffer(mapping.value);
                        rig.seat.device().unmapSharedBuffer(mapping.value);
                      });
                });
    Cell cell = trials.cell("sev", GOOD, Trials.MY_DRIVER);

    assertEquals("unsafe [I9]", Trials.outcome(cell));
    assertTrue(Trials.why(cell, Invariant.I9).contains("had taken down already"));
  }

  // ---- I3

  @Test
  void i3TheMapChangesAfterItWasAccepted() {
    Cell cell =
        new Trials()
            .afterReset(rig -> allocate(rig.bootServices(), new LongRef()))
            .cell("sev", GOOD, Trials.MY_DRIVER);

    assertEquals("unsafe [I3, I7]", Trials.outcome(cell));
  }

  @Test
  void i3TheMapMayChangeBeforeItIsAccepted() {
    Trials trials = inGroupBefore(rig -> allocate(rig.bootServices(), new LongRef()));

    assertEquals("safe []", Trials.outcome(trials.cell("sev", GOOD, Trials.MY_DRIVER)));
  }

  /** A driver that also has a handler in the group before. */
  private static Trials inGroupBefore(Consumer<Rig> handler) {
    return new Trials()
        .armedDriver(
            rig -> {
              rig.bootServices()
                  .createEventEx(
                      EventType.NOTIFY_SIGNAL,
                      Tpl.CALLBACK,
                      (event, context) -> handler.accept(rig),
                      null,
                      EventGroups.BEFORE_EXIT_BOOT_SERVICES,
                      new Ref<>());
              Trials.armed(rig.bootServices(), rig.net::quiesce);
            });
  }

  // ---- I4

  @Test
  void i4DriverOkIsSet() {
    Cell cell = new Trials().cell("sev", GOOD, "no-handler");

    assertTrue(Trials.why(cell, Invariant.I4).contains("DRIVER_OK"));
  }

  @Test
  void i4AQueueIsEnabledThoughDriverOkIsNotSet() {
    Trials trials =
        new Trials()
            .armedDriver(
                rig ->
                    Trials.armed(
                        rig.bootServices(),
                        () -> rig.seat.device().setDeviceStatus(DeviceStatus.ACKNOWLEDGE)));
    Cell cell = trials.cell("sev", GOOD, Trials.MY_DRIVER);

    assertTrue(
        Trials.why(cell, Invariant.I4).endsWith("queue 0 is enabled still"),
        Trials.why(cell, Invariant.I4));
  }

  // ---- I5, more of which is in SharedPagesTest

  @Test
  void i5AnOutsiderReadsWhatIsSharedStill() {
    Cell cell = new Trials().cell("sev", NOBODY, "virtio-net");

    assertTrue(cell.invariants().contains(Invariant.I5), Trials.outcome(cell));
  }

  // ---- I6

  @Test
  void i6WhatTheDeviceWroteStaysInABounceBuffer() {
    Cell cell = new Trials().cell("sev", NOBODY, "reset-callback");

    assertTrue(cell.invariants().contains(Invariant.I6), Trials.outcome(cell));
    // Where whole pages are mapped in place nothing is lost.
    cell = new Trials().cell("vtd", NOBODY, "virtio-net");
    assertTrue(!cell.invariants().contains(Invariant.I6), Trials.outcome(cell));
  }

  // ---- I7

  private static Arguments service(String name, Consumer<BootServices> call) {
    return Arguments.of(name, call);
  }

  static Stream<Arguments> forbidden() {
    return Stream.of(
        service("allocatePages", bs -> allocate(bs, new LongRef())),
        service("freePages", bs -> bs.freePages(0, 0)),
        service("allocatePool", bs -> bs.allocatePool(MemoryType.LOADER_DATA, 8, new LongRef())),
        service("freePool", bs -> bs.freePool(0)),
        service("createEvent", bs -> bs.createEvent(0, 0, null, null, new Ref<>())),
        service("createEventEx", bs -> bs.createEventEx(0, 0, null, null, null, new Ref<>())),
        service("closeEvent", bs -> bs.closeEvent(null)),
        service("installProtocolInterface", bs -> bs.installProtocolInterface(null, null, null)),
        service(
            "uninstallProtocolInterface", bs -> bs.uninstallProtocolInterface(null, null, null)),
        service("openProtocol", bs -> bs.openProtocol(null, PciIo.PROTOCOL, null, null, null, 0)),
        service("closeProtocol", bs -> bs.closeProtocol(null, PciIo.PROTOCOL, null, null)),
        service("locateHandleBuffer", bs -> bs.locateHandleBuffer(PciIo.PROTOCOL, new Ref<>())),
        service("connectController", bs -> bs.connectController(null, false)),
        service("disconnectController", bs -> bs.disconnectController(null)));
  }

  static Stream<Arguments> waits() {
    return Stream.of(
        service("setTimer", bs -> bs.setTimer(null, TimerDelay.CANCEL, 0)),
        service("waitForEvent", bs -> bs.waitForEvent(new IntRef())),
        service("stall", bs -> bs.stall(1)));
  }

  static Stream<Arguments> allowed() {
    return Stream.of(
        service("signalEvent", bs -> bs.signalEvent(null)),
        service("checkEvent", bs -> bs.checkEvent(null)),
        service("raiseTpl and restoreTpl", bs -> bs.restoreTpl(bs.raiseTpl(Tpl.NOTIFY))),
        service("currentTpl", BootServices::currentTpl),
        service("toString", Object::toString),
        service("handleProtocol", bs -> bs.handleProtocol(null, PciIo.PROTOCOL, new Ref<>())),
        service("locateProtocol", bs -> bs.locateProtocol(IoMmu.PROTOCOL, new Ref<>())),
        service("getMemoryMap", bs -> bs.getMemoryMap(new LongRef(), new Ref<>(), new LongRef())));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource({"forbidden", "waits"})
  void i7AHandlerMustNotUse(String name, Consumer<BootServices> call) {
    Cell cell =
        new Trials()
            .afterReset(rig -> call.accept(rig.bootServices()))
            .cell("sev", GOOD, Trials.MY_DRIVER);

    assertTrue(cell.invariants().contains(Invariant.I7), name);
    assertTrue(
        Trials.why(cell, Invariant.I7).toLowerCase().contains(name.toLowerCase()),
        Trials.why(cell, Invariant.I7));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("allowed")
  void i7AHandlerMayUse(String name, Consumer<BootServices> call) {
    Trials trials = new Trials().afterReset(rig -> call.accept(rig.bootServices()));

    assertEquals("safe []", Trials.outcome(trials.cell("sev", GOOD, Trials.MY_DRIVER)), name);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("waits")
  void i7NobodyWaitsInTheGroupBeforeEither(String name, Consumer<BootServices> call) {
    Trials trials = inGroupBefore(rig -> call.accept(rig.bootServices()));

    assertEquals("unsafe [I7]", Trials.outcome(trials.cell("sev", GOOD, Trials.MY_DRIVER)), name);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource({"forbidden", "allowed"})
  void i7TheGroupBeforeMayAllocate(String name, Consumer<BootServices> call) {
    Trials trials = inGroupBefore(rig -> call.accept(rig.bootServices()));

    assertEquals("safe []", Trials.outcome(trials.cell("sev", GOOD, Trials.MY_DRIVER)), name);
  }

  @Test
  void i7AMapInAHandlerAllocatesByItself() {
    Trials trials =
        new Trials()
            .afterReset(
                rig ->
                    rig.pciIo()
                        .allocateBuffer(
                            AllocateType.ANY_PAGES,
                            MemoryType.BOOT_SERVICES_DATA,
                            1,
                            new LongRef(),
                            0));
    Cell cell = trials.cell("vtd", GOOD, Trials.MY_DRIVER);

    assertTrue(Trials.why(cell, Invariant.I7).startsWith("my-driver calls AllocatePages"));
  }

  @Test
  void i7ToPrintAServiceIsNoCallOfOne() {
    Trials trials =
        new Trials()
            .policy(
                seat -> {
                  seat.atReturn(
                      () -> {
                        seat.mappings().unmapAll();
                        assertTrue(!seat.bootServices().toString().isEmpty());
                      });
                  return EfiStatus.SUCCESS;
                });
    Cell cell = trials.cell("sev", Trials.MY_POLICY, "virtio-net");

    assertEquals("safe []", Trials.outcome(cell));
  }

  // ---- I8

  @Test
  void i8TheGroupIsDispatchedTwice() {
    int[] runs = new int[1];
    Trials trials =
        new Trials()
            .policy(
                seat -> {
                  runs[0] = 0;
                  return onGroup(
                      seat.bootServices(),
                      EventGroups.EXIT_BOOT_SERVICES,
                      self -> {
                        seat.mappings().unmapAll();
                        if (runs[0]++ == 0) {
                          seat.bootServices().signalEvent(self);
                        }
                      });
                })
            .with(new Effort(false, 1, Effort.USUAL.longestRun()));
    Cell cell = trials.cell("sev", Trials.MY_POLICY, "reset-notify");

    assertEquals("unsafe [I8]", Trials.outcome(cell));
    assertTrue(Trials.why(cell, Invariant.I8).endsWith("runs for the second time"));
  }

  @Test
  void i8TheGroupHasRunBeforeAnybodyCalled() {
    Trials trials =
        new Trials()
            .armedDriver(
                rig -> {
                  Ref<Event> mine = new Ref<>();
                  rig.bootServices()
                      .createEventEx(
                          EventType.NOTIFY_SIGNAL,
                          Tpl.CALLBACK,
                          (event, context) -> {},
                          null,
                          EventGroups.EXIT_BOOT_SERVICES,
                          mine);
                  rig.bootServices().signalEvent(mine.value);
                  Trials.armed(rig.bootServices(), rig.net::quiesce);
                });
    assertEquals("unsafe [I8]", Trials.outcome(trials.cell("sev", GOOD, Trials.MY_DRIVER)));
  }

  @Test
  void i8AHandlerRunsAndTheKeyIsNotAccepted() {
    Ref<Event> member = new Ref<>();
    Trials trials =
        new Trials()
            .policy(
                seat -> {
                  seat.bootServices()
                      .createEventEx(
                          EventType.NOTIFY_SIGNAL,
                          Tpl.CALLBACK,
                          (event, context) -> {},
                          null,
                          EventGroups.EXIT_BOOT_SERVICES,
                          member);
                  seat.atReturn(seat.mappings()::unmapAll);
                  return onGroup(
                      seat.bootServices(),
                      EventGroups.BEFORE_EXIT_BOOT_SERVICES,
                      self -> seat.bootServices().signalEvent(member.value));
                })
            .with(new Effort(false, 1, Effort.USUAL.longestRun()));
    Cell cell = trials.cell("sev", Trials.MY_POLICY, "virtio-net");

    assertEquals("unsafe [I8]", Trials.outcome(cell));
    assertTrue(Trials.why(cell, Invariant.I8).endsWith("the key has not been accepted"));
  }

  private static EfiStatus onGroup(BootServices bootServices, UUID group, Consumer<Event> handler) {
    return bootServices.createEventEx(
        EventType.NOTIFY_SIGNAL,
        Tpl.CALLBACK,
        (event, context) -> handler.accept(event),
        null,
        group,
        new Ref<>());
  }

  private static void allocate(BootServices bootServices, LongRef page) {
    bootServices.allocatePages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1, page);
  }
}
