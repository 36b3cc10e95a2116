package dev.virtiolab.integration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.Firmware;
import dev.virtiolab.firmware.iommu.BounceSlots;
import dev.virtiolab.firmware.iommu.DmaCounters;
import dev.virtiolab.firmware.stack.Ipv4Address;
import dev.virtiolab.firmware.uefi.AllocateType;
import dev.virtiolab.firmware.uefi.BootServices;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Event;
import dev.virtiolab.firmware.uefi.EventType;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Ref;
import dev.virtiolab.firmware.uefi.Tpl;
import dev.virtiolab.firmware.virtio.VirtioPciLayout;
import dev.virtiolab.firmware.virtio.VringLayout;
import dev.virtiolab.iommu.PageAttributes;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.iommu.vtd.VtdPlatform;
import dev.virtiolab.lab.MachineConfig;
import dev.virtiolab.lab.Mainboard;
import dev.virtiolab.net.LoopbackBackend;
import dev.virtiolab.virtio.net.VirtioNet;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What is mapped and shared, from the first frame to ExitBootServices, and for how long. */
class DmaLifeTest {
  private static final Ipv4Address GUEST = Ipv4Address.parse("192.0.2.2");
  private static final int FRAMES_ON_THE_WIRE = 64;
  private static final int LARGEST_FRAME = 1514;
  private static final int IN_FLIGHT = 20;
  private static final int CYCLES = 300;
  private static final int PAGE_BYTES = 4096;
  private static final int ROUNDS_AFTER_EVERYBODY = 4;

  private Mainboard hardware;
  private Firmware firmware;
  private HostileBus bus;
  private DmaCounters dma;

  private void boot(PlatformKind platform, BounceSlots slots) {
    LoopbackBackend.Pair wire = LoopbackBackend.pair(FRAMES_ON_THE_WIRE, LARGEST_FRAME);
    hardware = new Mainboard(MachineConfig.of(platform), wire.left());
    bus = new HostileBus(hardware.hostBridge(), hardware.nicAddress());
    firmware = new Firmware(hardware.toBoard(new SteppedClock(hardware)), GUEST, slots);
    dma = firmware.dmaCounters();
  }

  @AfterEach
  void switchOff() {
    hardware.close();
  }

  @Test
  void eachRequestHasAHeaderOfItsOwnSharedUntilItIsHandedBack() {
    boot(PlatformKind.SEV, BounceSlots.NONE);
    PageAttributes attributes = hardware.platform().pageAttributes().orElseThrow();
    long openBefore = dma.openMappings();
    long sharedBefore = dma.pagesShared();
    long frame = allocate(1);

    for (int i = 0; i < IN_FLIGHT; i++) {
      assertEquals(EfiStatus.SUCCESS, firmware.network().transmit(0, 60, frame, null, null, null));
    }

    Set<Long> headers = new HashSet<>();
    Set<Long> pages = new HashSet<>();
    long table = transmitDescriptors();
    for (int request = 0; request < IN_FLIGHT; request++) {
      long header = table + 2L * request * VringLayout.DESC_SIZE;
      long address = hardware.platform().cpuMemory().getLong(header + VringLayout.DESC_ADDR);
      int length = hardware.platform().cpuMemory().getInt(header + VringLayout.DESC_LEN);
      assertEquals(12, length);
      headers.add(address);
      pages.add(address & -PAGE_BYTES);
      long data = header + VringLayout.DESC_SIZE + VringLayout.DESC_ADDR;
      pages.add(hardware.platform().cpuMemory().getLong(data) & -PAGE_BYTES);
    }
    assertEquals(IN_FLIGHT, headers.size(), "headers");
    assertEquals(2 * IN_FLIGHT, pages.size(), "a page for each header and each frame");
    pages.forEach(page -> assertTrue(attributes.isShared(page)));
    assertEquals(openBefore + 2 * IN_FLIGHT, dma.openMappings());
    assertFalse(attributes.isShared(frame), "the caller's own page stays private");

    hardware.nic().poll(FRAMES_ON_THE_WIRE);
    LongRef buffer = new LongRef();
    for (int i = 0; i < IN_FLIGHT; i++) {
      assertEquals(EfiStatus.SUCCESS, firmware.network().getStatus(null, buffer));
      assertEquals(frame, buffer.value);
    }
    pages.forEach(page -> assertFalse(attributes.isShared(page)));
    assertEquals(openBefore, dma.openMappings());
    assertEquals(sharedBefore, dma.pagesShared());
  }

  @ParameterizedTest
  @CsvSource({"PC, true", "NONCOHERENT, true", "VTD, true", "SEV, true", "SEV, false"})
  void aCardThatIsStoppedLeavesNothingMappedSharedOrAllocated(
      PlatformKind platform, boolean ovmfSlots) {
    boot(platform, ovmfSlots ? BounceSlots.OVMF : BounceSlots.NONE);
    firmware.stack().close();
    long free = freePages();
    long slotPages = dma.slotPagesShared();
    for (int cycle = 0; cycle < CYCLES; cycle++) {
      assertEquals(EfiStatus.SUCCESS, firmware.stack().open());
      assertTrue(dma.openMappings() > 0);
      assertTrue(free > freePages());
      firmware.stack().close();
      assertEquals(0, dma.openMappings());
      assertEquals(slotPages, dma.pagesShared());
      assertEquals(0, dma.slotsInUse());
      assertEquals(free, freePages());
    }
    assertEquals(0, dma.invalidUnmaps());
  }

  @ParameterizedTest
  @CsvSource({"true", "false"})
  void afterExitBootServicesNoPageIsSharedAndNoMappingOpen(boolean ovmfSlots) {
    boot(PlatformKind.SEV, ovmfSlots ? BounceSlots.OVMF : BounceSlots.NONE);
    long frame = allocate(1);
    for (int i = 0; i < IN_FLIGHT; i++) {
      firmware.network().transmit(0, 60, frame, null, null, null);
    }

    assertEquals(EfiStatus.SUCCESS, firmware.exitBootServices());

    assertEquals(0, hardware.nicFunction().deviceStatus());
    assertEquals(0, dma.openMappings());
    assertEquals(0, dma.pagesShared());
    PageAttributes attributes = hardware.platform().pageAttributes().orElseThrow();
    hardware
        .platform()
        .memory()
        .regions()
        .forEach(
            region -> {
              for (long at = 0; at < region.segment().byteSize(); at += PAGE_BYTES) {
                assertFalse(attributes.isShared(region.base() + at));
              }
            });
  }

  @ParameterizedTest
  @EnumSource(PlatformKind.class)
  void atExitBootServicesTheCardIsQuietAndTheMemoryMapAsItWasAccepted(PlatformKind platform) {
    boot(platform, BounceSlots.NONE);
    long frame = allocate(1);
    for (int i = 0; i < IN_FLIGHT; i++) {
      firmware.network().transmit(0, 60, frame, null, null, null);
    }
    List<String> seen = new ArrayList<>();
    afterEverybody(
        () -> {
          seen.add("status " + hardware.nicFunction().deviceStatus());
          seen.add("free " + freePages());
        });
    List<String> expected = List.of("status 0", "free " + freePages());

    assertEquals(EfiStatus.SUCCESS, firmware.exitBootServices());

    assertEquals(expected, seen);
    if (hardware.platform() instanceof VtdPlatform vtd) {
      assertFalse(vtd.counters().translating(), "vtd-off");
      assertEquals(0, vtd.counters().iotlbEntries());
      assertEquals(0, vtd.counters().faults());
    } else if (platform != PlatformKind.PC) {
      assertEquals(0, dma.openMappings());
    }
  }

  /** Runs {@code look} in ExitBootServices, rounds of handlers after everybody else's. */
  private void afterEverybody(Runnable look) {
    Event next = handler(EventType.NOTIFY_SIGNAL, look);
    for (int round = ROUNDS_AFTER_EVERYBODY; round > 0; round--) {
      Event after = next;
      int type = round == 1 ? EventType.SIGNAL_EXIT_BOOT_SERVICES : EventType.NOTIFY_SIGNAL;
      next = handler(type, () -> firmware.bootServices().signalEvent(after));
    }
  }

  private Event handler(int type, Runnable work) {
    Ref<Event> made = new Ref<>();
    assertEquals(
        EfiStatus.SUCCESS,
        firmware
            .bootServices()
            .createEvent(type, Tpl.CALLBACK, (event, context) -> work.run(), null, made));
    return made.value;
  }

  private long transmitDescriptors() {
    bus.mmioWrite(bus.register(VirtioPciLayout.COMMON_QUEUE_SELECT), 2, VirtioNet.TRANSMIT_QUEUE);
    long low = bus.mmioRead(bus.register(VirtioPciLayout.COMMON_QUEUE_DESC), 4);
    return low | bus.mmioRead(bus.register(VirtioPciLayout.COMMON_QUEUE_DESC + 4), 4) << 32;
  }

  private long allocate(int pages) {
    LongRef address = new LongRef();
    BootServices services = firmware.bootServices();
    assertEquals(
        EfiStatus.SUCCESS,
        services.allocatePages(AllocateType.ANY_PAGES, MemoryType.LOADER_DATA, pages, address));
    return address.value;
  }

  private long freePages() {
    Ref<List<MemoryDescriptor>> map = new Ref<>();
    firmware.bootServices().getMemoryMap(new LongRef(Long.MAX_VALUE), map, null);
    return map.value.stream()
        .filter(range -> range.type() == MemoryType.CONVENTIONAL)
        .mapToLong(MemoryDescriptor::pages)
        .sum();
  }
}
