package dev.virtiolab.firmware.pci;

import static dev.virtiolab.firmware.pci.PciBench.FOUR_GIB;
import static dev.virtiolab.firmware.pci.PciBench.base;
import static org.junit.jupiter.api.Assertions.*;

import dev.virtiolab.firmware.pci.FakePci.Function;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IntRef;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.firmware.uefi.PciIo.AttributeOperation;
import dev.virtiolab.firmware.uefi.PciIo.Width;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a working board's functions are given. */
class PciBusDxeTest {
  private final PciBench bench = new PciBench();

  /** The BARs of QEMU's virtio-net-pci. */
  private static Function nic(int device) {
    return new Function(device, 0).memory32(1, 0x1000, false).memory64(4, 0x4000, true);
  }

  @Test
  void aFunctionOnBusZeroGetsAHandleAndAddressesThatItDecodes() {
    PciIo pciIo = bench.startOne(nic(4));
    assertEquals(0xc000_0000L, base(pciIo, 1));
    assertEquals(1L << 40, base(pciIo, 4));
    LongRef length = new LongRef();
    assertEquals(EfiStatus.SUCCESS, pciIo.getBarAttributes(4, null, length));
    assertEquals(0x4000, length.value);
    assertEquals(EfiStatus.UNSUPPORTED, pciIo.getBarAttributes(5, null, length));

    Function nic = bench.pci.root.getFirst();
    assertEquals(0xc000_0000L, nic.get(0x14, 4));
    assertEquals(1L << 40 | 12, nic.get(0x20, 8));
    assertEquals(0, nic.get(4, 2) & 7, "an endpoint stays off until its driver enables it");

    pciIo.attributes(AttributeOperation.ENABLE, PciIo.ATTRIBUTE_MEMORY, null);
    assertEquals(EfiStatus.SUCCESS, pciIo.memWrite(Width.UINT32, 4, 0x3ffc, 0x1234_5678));
    assertEquals((byte) 0x78, nic.registers.get(4L << 40 | 0x3ffc));
  }

  @Test
  void busMastersAreTakenOffTheBusAndBridgesStayOnIt() {
    Function bridge = new Function(1, 0).bridge(64).add(nic(0));
    bench.pci.add(bridge).add(nic(4)).add(nic(5));
    for (PciIo pciIo : bench.start()) {
      pciIo.attributes(
          AttributeOperation.ENABLE, PciIo.ATTRIBUTE_MEMORY | PciIo.ATTRIBUTE_BUS_MASTER, null);
    }
    List<Function> functions =
        List.of(bridge, bridge.children.getFirst(), bench.pci.root.get(1), bench.pci.root.get(2));
    functions.forEach(each -> assertEquals(6, each.get(4, 2) & 6));

    bench.busDriver.disableBusMasters();
    assertEquals(
        List.of(6L, 2L, 2L, 2L), functions.stream().map(each -> each.get(4, 2) & 6).toList());
  }

  @Test
  void withoutAWindowAbove4GibEverythingGoesBelow() {
    PciBench low = new PciBench(PciBench.resources(FakePci.ECAM, false, true));
    PciIo pciIo = low.startOne(nic(4));
    assertTrue(base(pciIo, 4) < FOUR_GIB);
  }

  @Test
  void barsAreAlignedToTheirSizeAndNeverOverlap() {
    bench.pci.add(new Function(1, 0).memory32(0, 0x1000, false).memory32(1, 0x10_0000, true));
    bench.pci.add(new Function(2, 0).memory32(2, 0x10, false).memory64(3, 0x1000_0000, false));
    bench.pci.add(new Function(3, 0).memory64(0, 0x2000, true).memory64(2, 0x4000_0000L, true));
    List<long[]> ranges = new ArrayList<>();
    for (PciIo pciIo : bench.start()) {
      for (int bar = 0; bar < 6; bar++) {
        LongRef base = new LongRef();
        LongRef length = new LongRef();
        if (!pciIo.getBarAttributes(bar, base, length).isError()) {
          assertEquals(0, base.value % Math.max(length.value, 4096), "misaligned");
          boolean above = base.value >= FOUR_GIB;
          assertTrue(
              above
                  ? base.value + length.value <= (1L << 40) + (1L << 34)
                  : base.value >= 0xc000_0000L && base.value + length.value <= 0xe000_0000L);
          for (long[] other : ranges) {
            assertTrue(base.value >= other[1] || base.value + length.value <= other[0], "overlap");
          }
          ranges.add(new long[] {base.value, base.value + length.value});
        }
      }
    }
    assertEquals(6, ranges.size());
  }

  @Test
  void everyFunctionOfAMultiFunctionDeviceIsFoundAndOnlyOfSuch() {
    bench.pci.add(nic(3).multiFunction());
    bench.pci.add(new Function(3, 2));
    bench.pci.add(new Function(3, 7));
    bench.pci.add(nic(5));
    bench.pci.add(new Function(5, 1)); // a decoder of three bits too few shows ghosts
    List<String> found = new ArrayList<>();
    for (PciIo pciIo : bench.start()) {
      found.add(location(pciIo));
    }
    assertEquals(List.of("0:3.0", "0:3.2", "0:3.7", "0:5.0"), found);
  }

  @Test
  void aFunctionBehindARootPortIsReachedThroughItsWindows() {
    bench.pci.add(new Function(1, 0).bridge(64).add(nic(0)));
    List<PciIo> found = bench.start();
    assertEquals("1:0.0", location(found.get(1)));
    Function port = bench.pci.root.getFirst();
    assertEquals(0x01_01_00, port.get(0x18, 3));
    assertEquals(6, port.get(4, 2) & 7, "a bridge decodes and passes DMA on");

    PciIo pciIo = found.get(1);
    pciIo.attributes(AttributeOperation.ENABLE, PciIo.ATTRIBUTE_MEMORY, null);
    assertTrue(base(pciIo, 4) >= FOUR_GIB);
    for (int bar : new int[] {1, 4}) {
      assertEquals(EfiStatus.SUCCESS, pciIo.memWrite(Width.UINT16, bar, 0xffe, 0xbeef));
      assertEquals(EfiStatus.SUCCESS, pciIo.memRead(Width.UINT16, bar, 0xffe, bench.value));
      assertEquals(0xbeef, bench.value.value, "BAR " + bar + " is not behind a window");
    }
  }

  @Test
  void aBridgeWithoutA64BitWindowKeepsPrefetchableBarsBelow4Gib() {
    for (int prefetchable : new int[] {0, 32}) {
      PciBench other = new PciBench();
      other.pci.add(new Function(1, 0).bridge(prefetchable).add(nic(0)));
      PciIo pciIo = other.start().get(1);
      pciIo.attributes(AttributeOperation.ENABLE, PciIo.ATTRIBUTE_MEMORY, null);
      assertTrue(base(pciIo, 4) < FOUR_GIB);
      pciIo.memWrite(Width.UINT8, 4, 1, 0x5a);
      pciIo.memRead(Width.UINT8, 4, 1, bench.value);
      assertEquals(0x5a, bench.value.value);
    }
  }

  @Test
  void busesAreNumberedDepthFirstThroughBridgesBehindBridges() {
    Function inner = new Function(0, 0).bridge(64).add(nic(0));
    bench.pci.add(new Function(1, 0).bridge(64).add(inner).add(nic(1)));
    bench.pci.add(new Function(2, 0).bridge(64).add(nic(0)));
    List<String> found = new ArrayList<>();
    for (PciIo pciIo : bench.start()) {
      found.add(location(pciIo));
      if (!pciIo.getBarAttributes(4, bench.value, null).isError()) {
        pciIo.attributes(AttributeOperation.ENABLE, PciIo.ATTRIBUTE_MEMORY, null);
        for (int bar : new int[] {1, 4}) {
          pciIo.memWrite(Width.UINT8, bar, 8, found.size());
          pciIo.memRead(Width.UINT8, bar, 8, bench.value);
          assertEquals(found.size(), bench.value.value);
        }
      }
    }
    assertEquals(List.of("0:1.0", "1:0.0", "2:0.0", "1:1.0", "0:2.0", "3:0.0"), found);
    assertEquals(0x02_01_00, bench.pci.root.get(0).get(0x18, 3));
    assertEquals(0x02_02_01, inner.get(0x18, 3));
    assertEquals(0x03_03_00, bench.pci.root.get(1).get(0x18, 3));
  }

  @Test
  void aBridgeWithNothingBehindItHasClosedWindows() {
    bench.pci.add(new Function(1, 0).bridge(64));
    bench.start();
    Function port = bench.pci.root.getFirst();
    for (int window : new int[] {0x20, 0x24}) {
      long value = port.get(window, 4);
      assertTrue((value & 0xfff0) > (value >>> 16 & 0xfff0), "open at " + window);
    }
  }

  @Test
  void decodersAreOffWhileABarIsSized() {
    boolean[] caught = new boolean[1];
    Function function =
        new Function(4, 0) {
          @Override
          void put(int offset, int width, long value) {
            caught[0] |= offset == 0x14 && (get(4, 2) & 7) != 0;
            super.put(offset, width, value);
          }
        };
    function.memory32(1, 0x1000, false).set(4, 2, 7);
    bench.startOne(function);
    assertFalse(caught[0]);
  }

  @Test
  void portsAreGivenOnBusZeroWhereThePlatformHasSome() {
    PciBench withPorts = new PciBench(PciBench.resources(FakePci.ECAM, true, true));
    PciIo pciIo = withPorts.startOne(new Function(4, 0).io(0, 0x20));
    assertEquals(0x6000, base(pciIo, 0));
    assertEquals(0x6001, withPorts.pci.root.getFirst().get(0x10, 4));

    PciIo without = bench.startOne(new Function(4, 0).io(0, 0x20).memory32(1, 0x1000, false));
    assertEquals(EfiStatus.UNSUPPORTED, without.getBarAttributes(0, bench.value, null));
    assertEquals(0xc000_0000L, base(without, 1));
  }

  @Test
  void enumerationWorksThroughThePortsToo() {
    PciBench ports = new PciBench(PciBench.resources(PciResources.NO_ECAM, true, true));
    ports.pci.add(new Function(1, 0).bridge(64).add(nic(0)));
    assertEquals("1:0.0", location(ports.start().get(1)));
  }

  @Test
  void expansionRomsStayOff() {
    Function function = new Function(4, 0).mask(0x30, 4, 0xfffc_0001L).set(0x30, 4, 1);
    bench.startOne(function);
    assertEquals(0, function.get(0x30, 4));
  }

  private static String location(PciIo pciIo) {
    IntRef segment = new IntRef(9);
    IntRef bus = new IntRef();
    IntRef device = new IntRef();
    IntRef function = new IntRef();
    assertEquals(EfiStatus.SUCCESS, pciIo.getLocation(segment, bus, device, function));
    assertEquals(0, segment.value);
    return bus.value + ":" + device.value + "." + function.value;
  }
}
