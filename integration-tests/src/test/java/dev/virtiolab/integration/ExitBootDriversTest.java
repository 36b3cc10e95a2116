package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.DriverHost;
import dev.virtiolab.firmware.core.CoreEvent;
import dev.virtiolab.firmware.core.CoreSetup;
import dev.virtiolab.firmware.core.DispatchObserver;
import dev.virtiolab.firmware.core.GroupOrder;
import dev.virtiolab.firmware.exitboot.DriverSeat;
import dev.virtiolab.firmware.exitboot.ExitBootDriver;
import dev.virtiolab.firmware.exitboot.NetworkCard;
import dev.virtiolab.firmware.exitboot.driver.Drivers;
import dev.virtiolab.firmware.exitboot.policy.CoreHook;
import dev.virtiolab.firmware.exitboot.policy.DriversUnmap;
import dev.virtiolab.firmware.exitboot.policy.Policies;
import dev.virtiolab.firmware.exitboot.policy.StagedTeardown;
import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.iommu.DmaObserver;
import dev.virtiolab.firmware.iommu.TeardownPolicy;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.EventGroups;
import dev.virtiolab.firmware.uefi.Tpl;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.pci.cpu.CpuClock;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The drivers and policies of {@code vlab ebs} on a whole machine, stepped: guest and devices take
 * turns on this thread.
 */
class ExitBootDriversTest {
  private static final int DRIVER_OK = 4;
  private static final int FRAMES_ON_THE_WIRE = 64;
  private static final int LARGEST_FRAME = 1514;
  private static final int BATCH = 64;
  private static final long MIB = 1L << 20;
  private static final List<String> NAMES =
      Drivers.builtIn().stream().map(maker -> maker.get().name()).toList();

  /** What ran during ExitBootServices, and what became of the first card's device within. */
  private final List<String> trace = new ArrayList<>();

  /** Of each mapping that a driver undid, whether the first card's device was live still. */
  private final List<Boolean> liveAtUnmap = new ArrayList<>();

  private final List<NetBackend> farEnds = new ArrayList<>();
  private int tornDown;
  private Mainboard board;
  private DriverHost host;
  private List<NetworkCard> cards;

  /** Boots with a card for each of {@code drivers}, and starts them. */
  private void boot(PlatformKind platform, TeardownPolicy policy, String... drivers) {
    List<NetBackend> wires = new ArrayList<>();
    for (int i = 0; i < drivers.length; i++) {
      LoopbackBackend.Pair wire = LoopbackBackend.pair(FRAMES_ON_THE_WIRE, LARGEST_FRAME);
      wires.add(wire.left());
      farEnds.add(wire.right());
    }
    board =
        new Mainboard(
            MachineConfig.of(platform).withRam(16 * MIB, 16 * MIB), wires, Mainboard.Probe.NONE);
    host =
        new DriverHost(
            board.toBoard(new Clock()),
            new DriverHost.Setup(
                BounceSlots.NONE,
                new MappingWatch(),
                Optional.of(policy),
                new CoreSetup(GroupOrder.EDK2, new DispatchWatch(), Set.of()),
                UnaryOperator.identity()));
    host.connect();
    cards = new ArrayList<>();
    for (int i = 0; i < drivers.length; i++) {
      DriverSeat seat =
          new DriverSeat(
              host.bootServices(),
              host.board().memory(),
              host.networkControllers().get(i),
              host.networkCards().get(i),
              host.requiresAccessPlatform());
      cards.add(driver(drivers[i]).start(seat));
    }
  }

  private static ExitBootDriver driver(String name) {
    return Drivers.builtIn().get(NAMES.indexOf(name)).get();
  }

  @AfterEach
  void switchOff() {
    if (board != null) {
      board.close();
    }
  }

  @Test
  void thereAreTheTwelvePoliciesAndTheTwelveDriversOfTheIssueInItsOrder() {
    assertEquals(
        List.of(
            "drivers-unmap",
            "iommu-callback",
            "iommu-notify",
            "requeue-callback",
            "requeue-from-notify",
            "requeue-to-notify",
            "requeue-twice",
            "core-hook",
            "vtd-keep",
            "vtd-off",
            "bus-master-off",
            "before-exit"),
        Policies.builtIn().stream().map(maker -> maker.get().name()).toList());
    assertEquals(
        List.of(
            "virtio-net",
            "reset-callback",
            "reset-notify",
            "requeue-from-callback",
            "requeue-from-notify",
            "requeue-twice",
            "quiesce-before-exit",
            "unmap-after-reset",
            "unmap-before-reset",
            "no-handler",
            "allocates",
            "never-maps"),
        NAMES);
    Drivers.builtIn().forEach(maker -> assertPlainLine(maker.get().title()));
    Policies.builtIn().forEach(maker -> assertPlainLine(maker.get().title()));
  }

  private static void assertPlainLine(String title) {
    assertTrue(title.length() > 5 && title.length() < 90 && !title.contains("\n"), title);
  }

  // ---- traffic

  @ParameterizedTest
  @EnumSource(PlatformKind.class)
  void everyDriverThatMapsSendsAndReceives(PlatformKind platform) {
    for (String name : NAMES) {
      farEnds.clear();
      boot(platform, new DriversUnmap(), name);
      boolean works = platform == PlatformKind.PC || !name.equals("never-maps");
      assertEquals(works, sends(0), name + " sends");
      assertEquals(works, receives(0), name + " receives");
      board.close();
    }
    board = null;
  }

  @ParameterizedTest
  @EnumSource(PlatformKind.class)
  void eachOfSeveralCardsHasItsOwnDriver(PlatformKind platform) {
    boot(platform, new DriversUnmap(), "virtio-net", "reset-callback", "virtio-net", "no-handler");
    for (int card = 0; card < cards.size(); card++) {
      assertTrue(sends(card), "sends: " + card);
      assertTrue(receives(card), "receives: " + card);
    }
    exitBootServices();
    assertEquals(List.of(false, false, false, true), live());
  }

  @Test
  void whatWasSentIsNotTakenBackByTransmit() {
    for (String name : NAMES) {
      farEnds.clear();
      boot(PlatformKind.PC, new DriversUnmap(), name);
      long perFrame = -1;
      for (int frame = 0; frame < 3; frame++) {
        long before = host.dmaCounters().openMappings();
        assertTrue(sends(0), name);
        long more = host.dmaCounters().openMappings() - before;
        assertTrue(perFrame < 0 || perFrame == more, name);
        perFrame = more;
      }
      assertEquals(name.equals("never-maps") ? 0 : name.equals("virtio-net") ? 2 : 1, perFrame);
      board.close();
    }
    board = null;
  }

  @Test
  void aDriverWithoutFreeTransmitBuffersSaysNotReady() {
    for (String name : List.of("virtio-net", "reset-callback")) {
      farEnds.clear();
      boot(PlatformKind.PC, new DriversUnmap(), name);
      EfiStatus status = EfiStatus.SUCCESS;
      for (int frame = 0; frame < 9; frame++) {
        status = cards.getFirst().transmit(frame(frame));
      }
      assertEquals(EfiStatus.NOT_READY, status, name);
      board.close();
    }
    board = null;
  }

  // ---- ExitBootServices

  @ParameterizedTest
  @CsvSource({
    "virtio-net, exit@C stops",
    "reset-callback, exit@C stops",
    "reset-notify, exit@N stops",
    "requeue-from-callback, 'exit@C, @C stops'",
    "requeue-from-notify, 'exit@N, @C stops'",
    "requeue-twice, 'exit@C, @C, @C stops'",
    "quiesce-before-exit, before@C stops",
    "unmap-after-reset, exit@C stops",
    "unmap-before-reset, exit@C stops",
    "no-handler, ''",
    "allocates, exit@C stops",
    "never-maps, exit@C stops"
  })
  void aDriverStopsItsDeviceWhereItSays(String name, String expected) {
    for (PlatformKind platform : PlatformKind.values()) {
      trace.clear();
      farEnds.clear();
      boot(platform, new DriversUnmap(), name);
      assertEquals(List.of(true), live());
      exitBootServices();
      assertEquals(expected, String.join(", ", trace), platform::toString);
      assertEquals(List.of(name.equals("no-handler")), live());
      board.close();
    }
    board = null;
  }

  @ParameterizedTest
  @EnumSource(PlatformKind.class)
  void onlyAllocatesChangesTheMemoryMap(PlatformKind platform) {
    for (String name : NAMES) {
      farEnds.clear();
      boot(platform, StagedTeardown.requeueCallback(), name);
      sends(0);
      long accepted = host.core().memoryMapKey();
      exitBootServices();
      boolean kept = host.core().memoryMapKey() == accepted;
      assertEquals(!name.equals("allocates"), kept, name);
      board.close();
    }
    board = null;
  }

  @ParameterizedTest
  @EnumSource(PlatformKind.class)
  void aDriverThatUnmapsForItselfLeavesNothingMappedAndFreesNothing(PlatformKind platform) {
    for (String name : List.of("unmap-after-reset", "unmap-before-reset")) {
      farEnds.clear();
      liveAtUnmap.clear();
      boot(platform, new DriversUnmap(), name);
      sends(0);
      int mappings = host.mappings().openMappings();
      long accepted = host.core().memoryMapKey();
      exitBootServices();
      assertEquals(0, host.mappings().openMappings(), name);
      boolean early = name.equals("unmap-before-reset");
      Boolean[] expected = new Boolean[mappings];
      Arrays.fill(expected, early);
      assertEquals(List.of(expected), liveAtUnmap, name);
      assertEquals(accepted, host.core().memoryMapKey());
      assertEquals(0, tornDown, "a driver's Unmap is no teardown");
      board.close();
    }
    board = null;
  }

  @ParameterizedTest
  @EnumSource(PlatformKind.class)
  void whoUnmapsAfterThePolicyIsToldThatItIsTooLate(PlatformKind platform) {
    boot(platform, StagedTeardown.iommuNotify(), "unmap-after-reset");
    sends(0);
    int mappings = host.mappings().openMappings();
    exitBootServices();
    assertEquals(mappings, tornDown);
    assertEquals(mappings, host.dmaCounters().invalidUnmaps());
    assertEquals(0, host.mappings().openMappings());
    assertEquals(List.of(), liveAtUnmap, "no Unmap succeeded");
  }

  @ParameterizedTest
  @EnumSource(PlatformKind.class)
  void whatThePolicyTakesDownIsToldOncePerMapping(PlatformKind platform) {
    for (TeardownPolicy policy : List.of(StagedTeardown.requeueCallback(), new CoreHook())) {
      farEnds.clear();
      tornDown = 0;
      boot(platform, policy, "virtio-net", "no-handler");
      sends(0);
      int mappings = host.mappings().openMappings();
      assertNotEquals(0, mappings);
      exitBootServices();
      assertEquals(mappings, tornDown, policy.name());
      assertEquals(0, host.mappings().openMappings());
      assertEquals(0, host.dmaCounters().openMappings());
      board.close();
    }
    board = null;
  }

  @ParameterizedTest
  @EnumSource(PlatformKind.class)
  void busMasterOffLetsNoDeviceOnTheBusThoughItsQueuesRun(PlatformKind platform) {
    TeardownPolicy policy = Policies.builtIn().get(10).get();
    assertEquals("bus-master-off", policy.name());
    boot(platform, policy, "no-handler", "virtio-net");
    exitBootServices();
    assertEquals(List.of(true, false), live());
    for (Mainboard.Nic nic : board.nics()) {
      DmaWindow window = new DmaWindow();
      assertFalse(nic.function().deviceMemory().resolve(0, DmaAccess.READ, window));
      assertEquals(DmaFault.BUS_MASTER_DISABLED, window.fault(), nic.address()::toString);
    }
    assertEquals(0, host.mappings().openMappings());
  }

  private void exitBootServices() {
    trace.clear();
    assertEquals(
        EfiStatus.SUCCESS, host.bootServices().exitBootServices(host.core().memoryMapKey()));
  }

  private List<Boolean> live() {
    return board.nics().stream()
        .map(nic -> (nic.function().deviceStatus() & DRIVER_OK) != 0)
        .toList();
  }

  // ---- what a card does

  private boolean sends(int card) {
    byte[] frame = frame(card);
    assertEquals(EfiStatus.SUCCESS, cards.get(card).transmit(frame));
    pollAll();
    NetBackend wire = farEnds.get(card);
    int length = wire.peek();
    if (length == 0) {
      return false;
    }
    byte[] came = new byte[length];
    MemorySegment.copy(wire.peeked(), wire.peekedOffset(), MemorySegment.ofArray(came), 0, length);
    wire.release();
    assertArrayEquals(frame, came);
    return true;
  }

  private boolean receives(int card) {
    byte[] frame = frame(card + 100);
    NetBackend wire = farEnds.get(card);
    assertTrue(wire.claim(frame.length));
    MemorySegment.copy(
        MemorySegment.ofArray(frame), 0, wire.claimed(), wire.claimedOffset(), frame.length);
    wire.commit();
    wire.flush();
    pollAll();
    Optional<byte[]> came = cards.get(card).receive();
    came.ifPresent(bytes -> assertArrayEquals(frame, bytes));
    assertTrue(cards.get(card).receive().isEmpty());
    return came.isPresent();
  }

  /** A frame to everybody. */
  private static byte[] frame(int number) {
    byte[] frame = new byte[60 + number];
    Arrays.fill(frame, (byte) number);
    Arrays.fill(frame, 0, 6, (byte) 0xff);
    frame[6] = 2;
    return frame;
  }

  private void pollAll() {
    board.nics().forEach(nic -> nic.device().poll(BATCH));
  }

  /** Moves only when the guest waits, and then lets the devices work. */
  private final class Clock implements CpuClock {
    private long nanos;

    @Override
    public long nanos() {
      return nanos;
    }

    @Override
    public void idle(long duration) {
      nanos += duration;
      pollAll();
    }
  }

  private final class DispatchWatch implements DispatchObserver {
    private boolean liveBefore;

    @Override
    public void entered(CoreEvent event) {
      liveBefore = live().getFirst();
    }

    @Override
    public void left(CoreEvent event) {
      String group =
          event.group() == null
              ? ""
              : event.group().equals(EventGroups.EXIT_BOOT_SERVICES)
                  ? "exit"
                  : event.group().equals(EventGroups.BEFORE_EXIT_BOOT_SERVICES)
                      ? "before"
                      : event.group().toString();
      trace.add(
          group
              + (event.notifyTpl() == Tpl.CALLBACK ? "@C" : "@N")
              + (liveBefore && !live().getFirst() ? " stops" : ""));
    }
  }

  private final class MappingWatch implements DmaObserver {
    @Override
    public void unmapped(int requesterId, DmaMapping mapping, EfiStatus status) {
      if (!status.isError()) {
        liveAtUnmap.add(live().getFirst());
      }
    }

    @Override
    public void tornDown(DmaMapping mapping) {
      tornDown++;
    }
  }
}
