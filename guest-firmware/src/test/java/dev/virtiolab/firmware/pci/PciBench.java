package dev.virtiolab.firmware.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.firmware.core.DxeCore;
import dev.virtiolab.firmware.fixture.FakeSevMemory;
import dev.virtiolab.firmware.fixture.HandOffs;
import dev.virtiolab.firmware.fixture.VirtualClock;
import dev.virtiolab.firmware.handoff.HandOff;
import dev.virtiolab.firmware.handoff.HandOff.Range;
import dev.virtiolab.firmware.iommu.DmaCounters;
import dev.virtiolab.firmware.iommu.DmaObserver;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.Handle;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.Ref;
import java.util.ArrayList;
import java.util.List;

/** A core, memory on both sides of 4 GiB, and a fake bus to enumerate. */
final class PciBench {
  static final long FOUR_GIB = 1L << 32;
  static final HandOff HAND_OFF =
      HandOffs.withRam(List.of(new Range(0, 16 << 20), new Range(FOUR_GIB, 4 << 20)));
  static final PciResources RESOURCES = PciResources.of(HAND_OFF);

  final FakePci pci = new FakePci();
  final VirtualClock clock = new VirtualClock();
  final FakeSevMemory memory = new FakeSevMemory(HAND_OFF);
  final DxeCore core = new DxeCore(memory, clock, HAND_OFF);
  final DmaCounters counters = new DmaCounters();
  final RootBridge rootBridge;
  final PciBusDxe busDriver;
  final LongRef value = new LongRef();

  PciBench() {
    this(RESOURCES);
  }

  PciBench(PciResources resources) {
    this(resources, DmaObserver.NONE);
  }

  PciBench(PciResources resources, DmaObserver dmaObserver) {
    rootBridge = new RootBridge(core, pci, memory, HAND_OFF, resources, counters, dmaObserver);
    busDriver = new PciBusDxe(core, rootBridge, dmaObserver);
  }

  static PciResources resources(long ecam, boolean above4G, boolean dmaAbove4G) {
    return new PciResources(
        ecam,
        255,
        0xc000_0000L,
        0xdfff_ffffL,
        1L << 40,
        above4G ? (1L << 40) + (1L << 34) - 1 : 0,
        0x6000,
        0x6fff,
        dmaAbove4G);
  }

  /** Enumerates and hands out what was installed, in order. */
  List<PciIo> start() {
    assertEquals(EfiStatus.SUCCESS, busDriver.start());
    List<PciIo> found = new ArrayList<>();
    for (Handle handle : busDriver.handles()) {
      Ref<PciIo> pciIo = new Ref<>();
      assertEquals(EfiStatus.SUCCESS, core.handleProtocol(handle, PciIo.PROTOCOL, pciIo));
      found.add(pciIo.value);
    }
    return found;
  }

  PciIo startOne(FakePci.Function function) {
    pci.add(function);
    List<PciIo> found = start();
    assertEquals(1, found.size(), busDriver.skipped().toString());
    return found.getFirst();
  }

  static long base(PciIo pciIo, int bar) {
    LongRef base = new LongRef();
    assertEquals(EfiStatus.SUCCESS, pciIo.getBarAttributes(bar, base, null));
    return base.value;
  }
}
