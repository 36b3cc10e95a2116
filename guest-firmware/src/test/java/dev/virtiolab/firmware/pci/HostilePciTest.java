package dev.virtiolab.firmware.pci;

import static org.junit.jupiter.api.Assertions.*;

import dev.virtiolab.firmware.iommu.DmaObserver;
import dev.virtiolab.firmware.pci.FakePci.Function;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.PciIo;
import dev.virtiolab.pci.cpu.CpuBus;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Functions that lie: each is left out with a reason, and its neighbour works. */
@Timeout(60)
class HostilePciTest {
  private final PciBench bench = new PciBench();

  /** Enumerates the function beside a good one; returns why it was left out. */
  private String skipped(Function bad) {
    bench.pci.add(bad);
    bench.pci.add(new Function(30, 0).memory32(0, 0x1000, false));
    List<PciIo> found = bench.start();
    assertEquals(1, found.size());
    assertTrue(PciBench.base(found.getFirst(), 0) >= 0xc000_0000L);
    List<SkippedFunction> skipped = bench.busDriver.skipped();
    assertEquals(1, skipped.size(), skipped.toString());
    assertEquals(2, skipped.getFirst().device());
    return skipped.getFirst().toString();
  }

  @Test
  void aCapabilityListThatLoops() {
    Function bad = new Function(2, 0).set(0x34, 1, 0x40);
    bad.capability(0x40, 9, 0x50).capability(0x50, 9, 0x40);
    assertEquals("00:02.0: the capability list does not end", skipped(bad));
  }

  @Test
  void aCapabilityThatPointsToItself() {
    assertTrue(
        skipped(new Function(2, 0).set(0x34, 1, 0xfc).capability(0xfc, 9, 0xfc))
            .contains("does not end"));
  }

  @Test
  void aBarWithAHoleInItsSize() {
    assertTrue(skipped(new Function(2, 0).mask(0x10, 4, 0xff0f_f000L)).contains("BAR 0"));
  }

  @Test
  void aWideBarOfNoSize() {
    assertTrue(skipped(new Function(2, 0).set(0x18, 4, 4)).contains("BAR 2"));
  }

  @Test
  void aBarLargerThanAnyWindow() {
    assertTrue(
        skipped(new Function(2, 0).memory64(0, 1L << 40, true)).contains("larger than any window"));
  }

  @Test
  void aBarThatFitsNoWindowOfItsKind() {
    assertTrue(skipped(new Function(2, 0).memory32(0, 0x4000_0000, false)).contains("no room"));
  }

  @Test
  void aWideBarInTheLastRegister() {
    assertTrue(
        skipped(new Function(2, 0).set(0x24, 4, 4).mask(0x24, 4, 0xffff_f000L))
            .contains("reserved type"));
  }

  @Test
  void aBarOfReservedType() {
    assertTrue(
        skipped(new Function(2, 0).set(0x10, 4, 6).mask(0x10, 4, 0xffff_f000L))
            .contains("reserved type 3"));
  }

  @Test
  void aPortBarThatDecodesEverything() {
    assertTrue(
        skipped(new Function(2, 0).set(0x10, 4, 1).mask(0x10, 4, 0xff00_0000L)).contains("BAR 0"));
  }

  @Test
  void anUnknownHeaderType() {
    assertTrue(skipped(new Function(2, 0).set(0x0e, 1, 0x7f)).contains("header type 0x7f"));
  }

  @Test
  void aBarThatDoesNotKeepItsAddress() {
    Function bad =
        new Function(2, 0) {
          @Override
          void put(int offset, int width, long value) {
            super.put(offset, width, offset == 0x10 && value != 0xffff_ffffL ? 0 : value);
          }
        };
    bad.memory32(0, 0x1000, false);
    assertTrue(skipped(bad).contains("does not keep"));
    assertEquals(0, bad.get(4, 2) & 7);
  }

  @Test
  void aBridgeThatDoesNotKeepItsBusNumbers() {
    assertTrue(skipped(new Function(2, 0).bridge(64).mask(0x18, 4, 0x00ff_00ff)).contains("bus"));
  }

  @Test
  void aFunctionThatIsAllOnesIsNotThere() {
    bench.pci.add(new Function(2, 0).set(0, 4, 0xffff_ffffL));
    bench.pci.add(new Function(3, 0).set(0, 4, 0));
    assertEquals(List.of(), bench.start());
    assertEquals(List.of(), bench.busDriver.skipped());
  }

  @Test
  void aBridgeTakesWhatIsBehindItAlong() {
    Function bridge =
        new Function(2, 0) {
          @Override
          void put(int offset, int width, long value) {
            super.put(offset, width, offset == 0x20 ? 0xfff0 : value);
          }
        };
    bridge.bridge(64).add(new Function(0, 0).memory32(0, 0x1000, false));
    bench.pci.add(bridge);
    assertEquals(List.of(), bench.start());
    assertEquals(2, bench.busDriver.skipped().size());
  }

  @Test
  void whoAsksForTheMostIsLeftOutFirst() {
    for (int i = 0; i < 4; i++) {
      bench.pci.add(new Function(i, 0).memory32(0, 0x0800_0000L << (i == 2 ? 1 : 0), false));
    }
    assertEquals(3, bench.start().size());
    assertEquals(2, bench.busDriver.skipped().getFirst().device());
  }

  @Test
  void aChainOfBridgesWithoutEndStopsAtTheLastBus() {
    Function chain = new Function(0, 0).bridge(64);
    Function last = chain;
    for (int i = 0; i < 300; i++) {
      Function next = new Function(0, 0).bridge(64);
      last.add(next);
      last = next;
    }
    bench.pci.add(chain);
    assertEquals(255, bench.start().size());
    assertTrue(bench.busDriver.skipped().getFirst().reason().contains("no bus number"));
  }

  @Test
  void aBusThatAnswersEverywhereIsCutOff() {
    // Every function of every bus is a multi-function bridge that keeps what is written to it.
    CpuBus everywhere =
        new CpuBus() {
          @Override
          public long mmioRead(long address, int width) {
            int offset = (int) address & 0xfff;
            return switch (offset) {
              case 0 -> 0x1af4;
              case 0x0e -> 0x80;
              default -> 0;
            };
          }

          @Override
          public void mmioWrite(long address, int width, long value) {}

          @Override
          public int portRead(int port, int width) {
            return -1;
          }

          @Override
          public void portWrite(int port, int width, int value) {}
        };
    assertTrue(enumerate(everywhere).handles().size() <= 1024);
  }

  @Test
  void noiseIsSurvived() {
    long seed = Long.getLong("virtiolab.seed", System.nanoTime());
    System.out.println("HostilePciTest -Dvirtiolab.seed=" + seed);
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < 10; i++) {
      SplittableRandom noise = random.split();
      CpuBus noisy =
          new CpuBus() {
            private int reads;

            @Override
            public long mmioRead(long address, int width) {
              assertTrue(++reads < 5_000_000, "enumeration does not end");
              // Likely header types and pointers, so that it gets past the first checks.
              long value = noise.nextInt(4) == 0 ? noise.nextLong() : noise.nextInt(0x100);
              return value & -1L >>> (64 - 8 * width);
            }

            @Override
            public void mmioWrite(long address, int width, long value) {}

            @Override
            public int portRead(int port, int width) {
              return -1;
            }

            @Override
            public void portWrite(int port, int width, int value) {}
          };
      enumerate(noisy);
    }
  }

  private static PciBusDxe enumerate(CpuBus bus) {
    PciBench around = new PciBench();
    PciBusDxe driver =
        new PciBusDxe(
            around.core,
            new RootBridge(
                around.core,
                bus,
                around.memory,
                PciBench.HAND_OFF,
                PciBench.RESOURCES,
                around.counters,
                DmaObserver.NONE));
    assertEquals(EfiStatus.SUCCESS, driver.start());
    return driver;
  }
}
