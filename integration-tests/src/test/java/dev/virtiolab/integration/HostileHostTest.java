package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.Board;
import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.fixture.Seed;
import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.iommu.DmaCounters;
import dev.virtiolab.firmware.net.SnpCounter;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.virtio.VirtioPciLayout;
import dev.virtiolab.firmware.virtio.VringLayout;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.pci.memory.RawDram;
import dev.virtiolab.virtio.net.VirtioNet;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A host that does at random what a host can do to a running guest: between any two of its turns it
 * overwrites pages that the guest shares with the device (rings and receive area), and answers
 * register reads with anything. The guest must not throw, not wait for ever, not write to a page
 * that is not the network's, and work again as soon as the host behaves and the card is restarted.
 */
class HostileHostTest {
  private static final Ipv4Address GUEST = Ipv4Address.parse("192.0.2.2");
  private static final Ipv4Address PEER = Ipv4Address.parse("192.0.2.1");
  private static final int FRAMES_ON_THE_WIRE = 64;
  private static final int LARGEST_FRAME = 1514;
  private static final int PAGE_BYTES = 4096;
  private static final long RAM_BYTES = 128L << 20;
  private static final int HISTORIES = 12;
  private static final int STEPS = 120;
  private static final int BYSTANDERS = 64;
  private static final List<SnpCounter> LIES =
      List.of(
          SnpCounter.LIE_RX_USED,
          SnpCounter.LIE_RX_LENGTH,
          SnpCounter.LIE_TX_USED,
          SnpCounter.DEVICE_NEEDS_RESET,
          SnpCounter.RESET_FAILED);

  /** 64 buffers of 1536 bytes. */
  private static final int RECEIVE_AREA_PAGES = 24;

  /** A ring's page is as likely to be hit as so many others. */
  private static final int RINGS_WEIGHT = 100;

  /** What one turn may take of the guest's time: its 10 ms of waiting, and a reset or two. */
  private static final long LONGEST_TURN_NANOS = TimeUnit.SECONDS.toNanos(5);

  private final SplittableRandom random = Seed.random("HostileHostTest");

  private Mainboard hardware;
  private HostileBus bus;
  private SteppedClock clock;
  private Firmware firmware;
  private EchoPeer peer;
  private final List<Long> bystanders = new ArrayList<>();
  private final Map<SnpCounter, Long> seen = new EnumMap<>(SnpCounter.class);

  @ParameterizedTest
  @EnumSource(
      value = PlatformKind.class,
      names = {"PC", "SEV"})
  void nothingThatTheHostDoesBreaksTheGuest(PlatformKind platform) {
    for (int history = 0; history < HISTORIES; history++) {
      LoopbackBackend.Pair wire = LoopbackBackend.pair(FRAMES_ON_THE_WIRE, LARGEST_FRAME);
      MachineConfig config = MachineConfig.of(platform);
      try (Mainboard board = new Mainboard(config, wire.left())) {
        hardware = board;
        bus = new HostileBus(board.hostBridge(), board.nicAddress());
        clock = new SteppedClock(board);
        firmware =
            new Firmware(
                new Board(
                    board.platform().cpuMemory(), bus, clock, board.platform().pageAttributes()),
                GUEST,
                BounceSlots.OVMF);
        peer = new EchoPeer(wire.right(), config.mac().bits(), PEER, GUEST, 200);
        live();
      }
    }
    LIES.forEach(lie -> assertTrue(seen.get(lie) > 0, () -> "never seen: " + lie));
  }

  private void live() {
    plantBystanders();
    assertEchoes();
    long freePages = restart();
    for (int step = 0; step < STEPS; step++) {
      int what = random.nextInt(8);
      if (what < 4) {
        scribble();
      }
      if (what == 4 || what == 5) {
        lieAboutRegisters(2 << random.nextInt(6));
      }
      if (what == 6) {
        neverClearTheStatus();
      }
      peer.ask(random.nextInt(20));
      hardware.nic().poll(FRAMES_ON_THE_WIRE);
      if (random.nextBoolean()) {
        scribble();
      }
      if (random.nextInt(4) == 0) {
        lieAboutABuffer(random.nextInt(2));
      }
      turn();
      if (random.nextInt(10) == 0) {
        restart();
      } else if (random.nextInt(10) == 0) {
        bounded(() -> firmware.network().reset(false));
      }
      bus.tell(HostileBus.HONEST);
      peer.replies();
      assertBystandersUnharmed();
    }
    LIES.forEach(lie -> seen.merge(lie, firmware.networkCounters().value(lie), Long::sum));
    assertEquals(freePages, restart(), "pages were lost");
    assertEchoes();
    assertEquals(EfiStatus.SUCCESS, firmware.exitBootServices());
    assertTakenDown();
  }

  private void turn() {
    bounded(firmware::turn);
  }

  private void bounded(Runnable guest) {
    long start = clock.nanos();
    guest.run();
    long took = clock.nanos() - start;
    assertTrue(took < LONGEST_TURN_NANOS, () -> "ns=" + took);
  }

  /** Takes the stack and the card down and up; free pages while they are down. */
  private long restart() {
    bounded(firmware.stack()::close);
    DmaCounters dma = firmware.dmaCounters();
    assertEquals(0, dma.openMappings());
    assertEquals(dma.slotPagesShared(), dma.pagesShared(), "only reserved slots stay shared");
    long free = freePages();
    bounded(firmware.stack()::open);
    return free;
  }

  private long freePages() {
    Ref<List<MemoryDescriptor>> map = new Ref<>();
    firmware.bootServices().getMemoryMap(new LongRef(Long.MAX_VALUE), map, null);
    return map.value.stream()
        .filter(range -> range.type() == MemoryType.CONVENTIONAL)
        .mapToLong(MemoryDescriptor::pages)
        .sum();
  }

  private void assertEchoes() {
    peer.replies();
    peer.introduce();
    int replies = 0;
    for (int i = 0; i < 8; i++) {
      hardware.nic().poll(FRAMES_ON_THE_WIRE);
      turn();
      peer.ask(1);
      replies += peer.replies();
    }
    assertTrue(replies >= 6, "echo replies of 8: " + replies);
  }

  private void assertTakenDown() {
    assertEquals(0, hardware.nicFunction().deviceStatus());
    hardware
        .platform()
        .pageAttributes()
        .ifPresent(
            attributes -> {
              assertEquals(0, firmware.dmaCounters().openMappings());
              for (long address : ram()) {
                assertFalse(attributes.isShared(address), () -> Long.toHexString(address));
              }
            });
  }

  // ---- what is nobody's business

  /** Pages of somebody else, in between and around those that the network uses. */
  private void plantBystanders() {
    bystanders.clear();
    firmware.stack().close();
    for (int i = 0; i < BYSTANDERS; i++) {
      long hole = allocate(1 + random.nextInt(3));
      bystanders.add(allocate(1));
      if (random.nextBoolean()) {
        firmware.bootServices().freePages(hole, 1);
      }
    }
    for (long page : bystanders) {
      for (int at = 0; at < PAGE_BYTES; at += Long.BYTES) {
        hardware.platform().cpuMemory().putLong(page + at, page ^ at);
      }
    }
    firmware.stack().open();
  }

  private long allocate(int pages) {
    LongRef address = new LongRef();
    EfiStatus status =
        firmware
            .bootServices()
            .allocatePages(AllocateType.ANY_PAGES, MemoryType.LOADER_DATA, pages, address);
    assertEquals(EfiStatus.SUCCESS, status);
    return address.value;
  }

  private void assertBystandersUnharmed() {
    for (long page : bystanders) {
      for (int at = 0; at < PAGE_BYTES; at += Long.BYTES) {
        if (hardware.platform().cpuMemory().getLong(page + at) != (page ^ at)) {
          throw new AssertionError("written to: 0x%x".formatted(page + at));
        }
      }
    }
  }

  // ---- what the host does

  private void lieAboutRegisters(int oneIn) {
    SplittableRandom chance = random.split();
    bus.tell(
        new HostileBus.Lie() {
          @Override
          public long register(long offset, int width, long honest, Map<Long, Long> written) {
            return chance.nextInt(oneIn) == 0 ? chance.nextLong() : honest;
          }
        });
  }

  private void neverClearTheStatus() {
    bus.tell(
        new HostileBus.Lie() {
          @Override
          public long register(long offset, int width, long honest, Map<Long, Long> written) {
            return offset == VirtioPciLayout.COMMON_DEVICE_STATUS ? honest | 1 : honest;
          }
        });
  }

  /** Overwrites some of what the guest shares: a little, so that some of it still makes sense. */
  private void scribble() {
    List<Long> pages = shared();
    int writes = 1 + random.nextInt(4);
    for (int i = 0; i < writes && !pages.isEmpty(); i++) {
      long page = pages.get(random.nextInt(pages.size()));
      // Half of it where it hurts: flags, index and the first elements.
      int at = random.nextBoolean() ? 2 * random.nextInt(40) : 2 * random.nextInt(PAGE_BYTES / 2);
      int value = random.nextBoolean() ? random.nextInt(130) : random.nextInt();
      overwrite(page + at, value);
    }
  }

  /** Rewrites id or length of one of the elements that the device put into a used ring last. */
  private void lieAboutABuffer(int queue) {
    bus.mmioWrite(bus.register(VirtioPciLayout.COMMON_QUEUE_SELECT), 2, queue);
    long used = address(VirtioPciLayout.COMMON_QUEUE_DEVICE);
    if (used != 0) {
      int index = hardware.platform().cpuMemory().getShort(used + VringLayout.USED_IDX);
      int slot = index - 1 - random.nextInt(4) & VirtioNet.MAX_QUEUE_SIZE - 1;
      long element = used + VringLayout.USED_RING + (long) VringLayout.USED_ELEM_SIZE * slot;
      overwrite(element + 4 * random.nextInt(2), random.nextInt(2000));
    }
  }

  /**
   * Pages that the guest shares: available and used rings and receive area, and under SEV the
   * slots. Not the descriptor tables: the guest never reads those back, and the device, which is
   * honest, would write to bystanders at the host's behest, against which there is no defence on
   * either platform.
   */
  private List<Long> shared() {
    List<Long> pages = new ArrayList<>();
    List<Long> tables = new ArrayList<>();
    for (int queue = 0; queue < 2; queue++) {
      bus.mmioWrite(bus.register(VirtioPciLayout.COMMON_QUEUE_SELECT), 2, queue);
      long descriptors = address(VirtioPciLayout.COMMON_QUEUE_DESC);
      if (descriptors != 0) {
        tables.add(descriptors);
        for (int i = 0; i < RINGS_WEIGHT; i++) {
          pages.add(address(VirtioPciLayout.COMMON_QUEUE_DRIVER));
          pages.add(address(VirtioPciLayout.COMMON_QUEUE_DEVICE));
        }
      }
      if (descriptors != 0 && queue == 0) {
        long area = hardware.platform().cpuMemory().getLong(descriptors);
        for (int page = 0; page < RECEIVE_AREA_PAGES; page++) {
          pages.add((area & -PAGE_BYTES) + (long) page * PAGE_BYTES);
        }
      }
    }
    hardware
        .platform()
        .pageAttributes()
        .ifPresent(
            attributes -> {
              for (long page : ram()) {
                if (attributes.isShared(page) && !tables.contains(page)) {
                  pages.add(page);
                }
              }
            });
    return pages;
  }

  private long address(int register) {
    long low = hardware.hostBridge().mmioRead(bus.register(register), 4);
    return low | hardware.hostBridge().mmioRead(bus.register(register + 4), 4) << 32;
  }

  private static long[] ram() {
    int pages = (int) (RAM_BYTES / PAGE_BYTES);
    long[] addresses = new long[2 * pages];
    for (int i = 0; i < pages; i++) {
      addresses[i] = (long) i * PAGE_BYTES;
      addresses[pages + i] = (1L << 32) + (long) i * PAGE_BYTES;
    }
    return addresses;
  }

  private void overwrite(long address, int value) {
    RawDram dram = hardware.platform().dram();
    long page = dram.systemPhysical(address & -PAGE_BYTES);
    byte[] bytes = {(byte) value, (byte) (value >> 8)};
    dram.write(page + (address & PAGE_BYTES - 1), MemorySegment.ofArray(bytes), 0, bytes.length);
  }
}
