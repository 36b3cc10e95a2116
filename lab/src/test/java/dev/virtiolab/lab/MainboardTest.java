package dev.virtiolab.lab;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.DriverHost;
import dev.virtiolab.firmware.smallnet.SmallNet;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MacAddress;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.VirtioDevice;
import dev.virtiolab.iommu.Platform;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.iommu.vtd.Reach;
import dev.virtiolab.iommu.vtd.VtdPlatform;
import dev.virtiolab.lab.MachineConfig.Slot;
import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.net.NetBackend;
import dev.virtiolab.pci.config.PciAddress;
import dev.virtiolab.pci.cpu.CpuClock;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.virtio.transport.DeviceKind;
import dev.virtiolab.virtio.transport.VirtioPciFunction;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class MainboardTest {
  private static final int FRAME_BYTES = 60;

  static Stream<Arguments> boards() {
    return Stream.of(PlatformKind.values())
        .flatMap(platform -> Stream.of(Slot.values()).map(slot -> Arguments.of(platform, slot)));
  }

  private static MachineConfig config(PlatformKind platform, Slot slot) {
    MachineConfig any = MachineConfig.of(platform);
    return new MachineConfig(
        platform, slot, any.mac(), any.mtu(), any.bounceSlots(), OptionalLong.of(1));
  }

  /** Several wires; the NICs have the left ends. */
  private static final class Wires implements AutoCloseable {
    final List<NetBackend> nicEnds = new ArrayList<>();
    final List<NetBackend> farEnds = new ArrayList<>();

    Wires(int count) {
      for (int i = 0; i < count; i++) {
        LoopbackBackend.Pair wire = LoopbackBackend.pair(8, SmallNet.MAX_FRAME_BYTES);
        nicEnds.add(wire.left());
        farEnds.add(wire.right());
      }
    }

    @Override
    public void close() {
      nicEnds.forEach(NetBackend::close);
      farEnds.forEach(NetBackend::close);
    }
  }

  /** Moves when the guest waits; all devices work then. */
  private static final class Clock implements CpuClock {
    private final Mainboard board;
    private long nanos;

    Clock(Mainboard board) {
      this.board = board;
    }

    @Override
    public long nanos() {
      return nanos;
    }

    @Override
    public void idle(long duration) {
      nanos += duration;
      board.nics().forEach(nic -> nic.device().poll(8));
    }
  }

  private static DriverHost boot(Mainboard board, MachineConfig config, Clock clock) {
    DriverHost host =
        new DriverHost(board.toBoard(clock), DriverHost.Setup.of(config.bounceSlots()));
    host.connect();
    return host;
  }

  private static PciAddress location(DriverHost host, Handle controller) {
    Ref<PciIo> pciIo = new Ref<>();
    assertEquals(
        EfiStatus.SUCCESS, host.bootServices().handleProtocol(controller, PciIo.PROTOCOL, pciIo));
    IntRef bus = new IntRef();
    IntRef device = new IntRef();
    IntRef function = new IntRef();
    pciIo.value.getLocation(new IntRef(), bus, device, function);
    return new PciAddress(bus.value, device.value, function.value);
  }

  private static MacAddress mac(VirtioDevice card) {
    long bits = 0;
    for (int i = 0; i < 6; i++) {
      LongRef octet = new LongRef();
      card.readDevice(i, 1, octet);
      bits = bits << 8 | octet.value & 0xff;
    }
    return new MacAddress(bits);
  }

  @ParameterizedTest
  @MethodSource("boards")
  void theFirmwareFindsEveryNicAndEachHasItsOwnWire(PlatformKind platform, Slot slot) {
    MachineConfig config = config(platform, slot);
    try (Wires wires = new Wires(4);
        Mainboard board = new Mainboard(config, wires.nicEnds, Mainboard.Probe.NONE)) {
      Clock clock = new Clock(board);
      DriverHost host = boot(board, config, clock);
      List<Mainboard.Nic> byBus = new ArrayList<>(board.nics());
      if (slot == Slot.ROOT_PORT) {
        // 00:1c.0 comes after 00:05.0 to 00:07.0.
        Collections.rotate(byBus, -1);
      }
      List<VirtioDevice> cards = host.networkCards();
      List<Handle> controllers = host.networkControllers();
      assertEquals(4, cards.size());
      assertEquals(4, controllers.size());
      for (int i = 0; i < cards.size(); i++) {
        assertEquals(byBus.get(i).address(), location(host, controllers.get(i)));
        int number = board.nics().indexOf(byBus.get(i));
        assertEquals(config.mac(number), mac(cards.get(i)));
        Ref<VirtioDevice> onHandle = new Ref<>();
        host.bootServices().handleProtocol(controllers.get(i), VirtioDevice.PROTOCOL, onHandle);
        assertSame(cards.get(i), onHandle.value);
      }
      for (int i = 0; i < cards.size(); i++) {
        SmallNet driver = new SmallNet(host.bootServices(), host.board().memory(), cards.get(i));
        assertEquals(EfiStatus.SUCCESS, driver.start());
        assertTrue(byBus.get(i).function().busMasterEnabled());
        byte[] frame = new byte[FRAME_BYTES];
        frame[FRAME_BYTES - 1] = (byte) (i + 1);
        assertEquals(EfiStatus.SUCCESS, driver.transmit(frame));
        clock.idle(1_000);
        int number = board.nics().indexOf(byBus.get(i));
        for (int wire = 0; wire < 4; wire++) {
          NetBackend farEnd = wires.farEnds.get(wire);
          if (wire == number) {
            assertArrayEquals(frame, take(farEnd));
          } else {
            assertEquals(0, farEnd.peek());
          }
        }
      }
    }
  }

  private static byte[] take(NetBackend farEnd) {
    byte[] frame = new byte[farEnd.peek()];
    MemorySegment.copy(
        farEnd.peeked(), farEnd.peekedOffset(), MemorySegment.ofArray(frame), 0, frame.length);
    farEnd.release();
    return frame;
  }

  @ParameterizedTest
  @EnumSource(Slot.class)
  void aFullBoardHasNicsUpToTheLastSlotAndTheFirmwareFindsThemAll(Slot slot) {
    MachineConfig config = config(PlatformKind.PC, slot);
    int capacity = Mainboard.capacity(slot);
    try (Wires wires = new Wires(capacity);
        Mainboard board = new Mainboard(config, wires.nicEnds, Mainboard.Probe.NONE)) {
      assertEquals(slot == Slot.ROOT_BUS ? 28 : 27, capacity);
      assertEquals(Mainboard.addressOf(slot), board.nics().getFirst().address());
      assertEquals(new PciAddress(0, 5, 0), board.nics().get(1).address());
      assertEquals(new PciAddress(0, 31, 0), board.nics().getLast().address());
      Set<PciAddress> addresses = new HashSet<>();
      Set<MacAddress> macs = new HashSet<>();
      DriverHost host = boot(board, config, new Clock(board));
      for (int i = 0; i < capacity; i++) {
        addresses.add(location(host, host.networkControllers().get(i)));
        macs.add(mac(host.networkCards().get(i)));
      }
      assertEquals(capacity, addresses.size());
      assertEquals(capacity, macs.size());
    }
  }

  @ParameterizedTest
  @EnumSource(Slot.class)
  void moreNicsThanSlotsAreRefusedAndSoIsNone(Slot slot) {
    MachineConfig config = config(PlatformKind.PC, slot);
    try (Wires wires = new Wires(Mainboard.capacity(slot) + 1)) {
      IllegalArgumentException refused =
          assertThrows(
              IllegalArgumentException.class,
              () -> new Mainboard(config, wires.nicEnds, Mainboard.Probe.NONE).close());
      assertTrue(refused.getMessage().contains("1 to " + Mainboard.capacity(slot)));
    }
    assertThrows(
        IllegalArgumentException.class,
        () -> new Mainboard(config, List.of(), Mainboard.Probe.NONE).close());
  }

  @Test
  void theProbeIsToldWhichNicItStandsBefore() {
    MachineConfig config = config(PlatformKind.VTD, Slot.ROOT_PORT);
    List<PciAddress> asked = new ArrayList<>();
    Set<BusMemory> views = new HashSet<>();
    Mainboard.Probe probe =
        (nic, memory) -> {
          asked.add(nic);
          views.add(memory);
          return memory;
        };
    try (Wires wires = new Wires(2);
        Mainboard board = new Mainboard(config, wires.nicEnds, probe)) {
      PciAddress first = new PciAddress(1, 0, 0);
      PciAddress second = new PciAddress(0, 5, 0);
      assertEquals(List.of(first, first, second, second), asked);
      // Each by its own requester ID; the physical view is the same for both.
      assertTrue(views.contains(board.platform().busMemory(first.requesterId())));
      assertTrue(views.contains(board.platform().busMemory(second.requesterId())));
      assertTrue(views.contains(board.platform().physicalBusMemory()));
    }
  }

  @ParameterizedTest
  @EnumSource(PlatformKind.class)
  void aBoardWithLittleMemoryWorksTooWithNoneAbove4GiB(PlatformKind platform) {
    MachineConfig config =
        config(platform, Slot.ROOT_BUS).withRam(MachineConfig.LEAST_LOW_RAM_BYTES, 0);
    assertEquals(0, sendOne(config));
    assertThrows(
        IllegalArgumentException.class,
        () -> config.withRam(MachineConfig.LEAST_LOW_RAM_BYTES - 4096, 128 << 20));
  }

  /** Boots, sends a frame and closes the board; returns how many bytes of the frame differ. */
  private static int sendOne(MachineConfig config) {
    try (Wires wires = new Wires(2);
        Mainboard board = new Mainboard(config, wires.nicEnds, Mainboard.Probe.NONE)) {
      Clock clock = new Clock(board);
      DriverHost host = boot(board, config, clock);
      VirtioDevice card = host.networkCards().getLast();
      SmallNet driver = new SmallNet(host.bootServices(), host.board().memory(), card);
      byte[] frame = new byte[FRAME_BYTES];
      new SplittableRandom(1).nextBytes(frame);
      assertEquals(EfiStatus.SUCCESS, driver.start());
      assertEquals(EfiStatus.SUCCESS, driver.transmit(frame));
      clock.idle(1_000);
      byte[] came = take(wires.farEnds.getLast());
      int differ = 0;
      for (int i = 0; i < FRAME_BYTES; i++) {
        differ += frame[i] == came[i] ? 0 : 1;
      }
      driver.stop();
      return differ + lookedAt(board.platform());
    }
  }

  /** Puts numbers into pages that somebody looks at from outside; returns how many are lost. */
  private static int lookedAt(Platform platform) {
    long base = 8 << 20;
    int pages = 64;
    MemorySegment seen = MemorySegment.ofArray(new byte[4096]);
    int lost = 0;
    for (long page = base; page < base + pages * 4096; page += 4096) {
      platform.cpuMemory().putLong(page, page);
      platform.dram().read(platform.dram().systemPhysical(page), seen, 0, 4096);
      lost += platform.cpuMemory().getLong(page) == page ? 0 : 1;
    }
    return lost;
  }

  /** Nothing is shared between boards. */
  @ParameterizedTest
  @EnumSource(PlatformKind.class)
  void boardsAreBuiltRunAndClosedOnSeveralThreadsAtOnce(PlatformKind platform) throws Exception {
    int threads = 4;
    MachineConfig config = config(platform, Slot.ROOT_BUS).withRam(16 << 20, 16 << 20);
    try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
      List<Future<Integer>> sums = new ArrayList<>();
      for (int thread = 0; thread < threads; thread++) {
        sums.add(
            pool.submit(
                () -> {
                  int differ = 0;
                  for (int i = 0; i < 20; i++) {
                    differ += sendOne(config);
                  }
                  return differ;
                }));
      }
      for (Future<Integer> sum : sums) {
        assertEquals(0, sum.get(60, TimeUnit.SECONDS));
      }
    }
  }

  @Test
  void nobodyChangesTheFirmwaresDigest() {
    byte[] digest = FirmwareImage.digest();
    byte[] copy = digest.clone();
    digest[0]++;
    assertArrayEquals(copy, FirmwareImage.digest());
    assertEquals(32, copy.length);
  }

  @Test
  void aBoardHasAsMuchMemoryAsAskedFor() {
    MachineConfig config = config(PlatformKind.PC, Slot.ROOT_BUS);
    try (Wires wires = new Wires(1);
        Mainboard usual = new Mainboard(config, wires.nicEnds, Mainboard.Probe.NONE);
        Mainboard small =
            new Mainboard(config.withRam(16 << 20, 8 << 20), wires.nicEnds, Mainboard.Probe.NONE)) {
      assertEquals(256 << 20, usual.platform().memory().bytes());
      assertEquals(24 << 20, small.platform().memory().bytes());
      assertEquals((1L << 32) + (8 << 20), small.platform().memory().limit());
    }
  }

  /** The remapping unit tells NICs apart by their addresses, as the firmware does. */
  @Test
  void behindARemappingUnitEachNicReachesWhatIsMappedForIt() {
    MachineConfig config = config(PlatformKind.VTD, Slot.ROOT_BUS);
    try (Wires wires = new Wires(2);
        Mainboard board = new Mainboard(config, wires.nicEnds, Mainboard.Probe.NONE)) {
      assertEquals(-1, pagesInReach(board, 0));
      DriverHost host = boot(board, config, new Clock(board));
      SmallNet driver =
          new SmallNet(host.bootServices(), host.board().memory(), host.networkCards().getLast());
      assertEquals(0, pagesInReach(board, 1));
      assertEquals(EfiStatus.SUCCESS, driver.start());
      assertEquals(0, pagesInReach(board, 0));
      assertTrue(pagesInReach(board, 1) > 0);
      VirtioPciFunction function = board.nics().get(1).function();
      long ring = function.queueAddresses(0).descriptorArea();
      assertEquals(
          DmaFault.NONE,
          function
              .deviceMemory()
              .read(ring, MemorySegment.ofArray(new byte[16]), 0, 16, new DmaWindow()));
      driver.stop();
      assertEquals(0, pagesInReach(board, 1));
    }
  }

  /** So many pages, each counted for each way of access; -1 for everything. */
  private static long pagesInReach(Mainboard board, int nic) {
    long[] pagesTold = new long[1];
    Reach reach =
        ((VtdPlatform) board.platform())
            .reach(
                board.nics().get(nic).address().requesterId(),
                (busPage, memoryPage, pages, readable, writable) -> pagesTold[0] += pages);
    return reach == Reach.EVERYTHING ? -1 : pagesTold[0];
  }

  @Test
  void countingOnAnEthernetAddressNeverMakesItAGroups() {
    MachineConfig any = MachineConfig.of(PlatformKind.PC);
    MachineConfig last =
        new MachineConfig(
            any.platform(),
            any.slot(),
            MacAddress.parse("52:54:00:12:ff:fe"),
            any.mtu(),
            any.bounceSlots(),
            any.seed());
    assertEquals("52:54:00:12:ff:fe", last.mac(0).toString());
    assertEquals("52:54:00:12:ff:ff", last.mac(1).toString());
    assertEquals("52:54:00:12:ff:00", last.mac(2).toString());
    assertFalse(last.mac(2).isMulticast());
  }

  /** Behind BAR 0 by ports: the firmware gives each NIC its own, and drives them by these. */
  @ParameterizedTest
  @EnumSource(
      value = DeviceKind.class,
      names = {"TRANSITIONAL", "LEGACY"})
  void nicsWithALegacyInterfaceAreDrivenByIt(DeviceKind kind) {
    MachineConfig config = config(PlatformKind.PC, Slot.ROOT_BUS).withNicKind(kind);
    try (Wires wires = new Wires(3);
        Mainboard board = new Mainboard(config, wires.nicEnds, Mainboard.Probe.NONE)) {
      DriverHost host = boot(board, config, new Clock(board));
      List<VirtioDevice> cards = host.networkCards();
      assertEquals(3, cards.size());
      Set<Long> ports = new HashSet<>();
      for (int i = 0; i < cards.size(); i++) {
        assertEquals(VirtioDevice.REVISION_0_9_5, cards.get(i).revision());
        assertEquals(config.mac(i), mac(cards.get(i)));
        ports.add(board.nics().get(i).function().bars().getFirst().address());
      }
      assertEquals(Set.of(0x6000L, 0x6020L, 0x6040L), ports);
    }
  }

  @Test
  void aLegacyInterfaceIsRefusedWhereNoneCanBe() {
    for (PlatformKind platform : PlatformKind.values()) {
      for (Slot slot : Slot.values()) {
        MachineConfig modern = config(platform, slot);
        if (platform == PlatformKind.PC && slot == Slot.ROOT_BUS) {
          assertEquals(DeviceKind.LEGACY, modern.withNicKind(DeviceKind.LEGACY).nicKind());
        } else {
          assertThrows(
              IllegalArgumentException.class, () -> modern.withNicKind(DeviceKind.TRANSITIONAL));
        }
      }
    }
  }
}
