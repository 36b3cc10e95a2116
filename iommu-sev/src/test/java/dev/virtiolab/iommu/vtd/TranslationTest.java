package dev.virtiolab.iommu.vtd;

import static dev.virtiolab.iommu.vtd.VtdBench.HIGH;
import static dev.virtiolab.iommu.vtd.VtdBench.MIB;
import static dev.virtiolab.iommu.vtd.VtdBench.NIC;
import static dev.virtiolab.iommu.vtd.VtdBench.OTHER;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.posix.fixture.Allocation;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which memory an address leads to. */
class TranslationTest {
  private final VtdBench bench = new VtdBench();

  @AfterEach
  void close() {
    bench.close();
  }

  @Test
  void beforeItIsSwitchedOnEveryAddressIsItsOwn() {
    assertEquals(5, bench.reads(NIC, 0x5123));
    assertEquals(MIB, bench.window.length());
    assertEquals(0x10_0007, bench.writes(OTHER, HIGH + 0x7000));
    bench.refused(NIC, MIB, DmaAccess.READ, DmaFault.NO_MEMORY);
    assertEquals(0, bench.platform.counters().faults());
  }

  @Test
  void switchedOnItDeniesAndSwitchedOffItPassesAgain() {
    long before = bench.memory.generation().acquire();
    bench.reads(NIC, 0x5000);
    bench.translate();
    assertFalse(bench.window.covers(0x5000, 1, bench.memory.generation().acquire()));
    assertNotEquals(before, bench.memory.generation().acquire());
    bench.refused(NIC, 0x5000, DmaAccess.READ, DmaFault.NOT_MAPPED);
    bench.switchOff();
    assertEquals(5, bench.reads(NIC, 0x5000));
    assertEquals(1 << 30, bench.read32(0x1c));
  }

  @Test
  void switchingOffEndsWindowsToo() {
    bench.translate();
    bench.map(bench.context(NIC, 1, 3), 3, 0x5000, 0x6000, 3);
    bench.reads(NIC, 0x5000);
    bench.switchOff();
    assertFalse(bench.window.covers(0x5000, 1, bench.memory.generation().acquire()));
  }

  @ParameterizedTest
  @ValueSource(ints = {3, 4})
  void anAddressIsWalkedLevelByLevel(int levels) {
    bench.translate();
    long top = bench.context(NIC, 1, levels);
    long[] addresses = {
      0, 0x1000, 0x20_0000, 0x4000_0000L, 0x1ff << 12, 0x7f_ffff_f000L, HIGH + 0x123_4000L,
    };
    for (int i = 0; i < addresses.length; i++) {
      bench.map(top, levels, addresses[i], 0x6_0000 + 0x2000L * i, 3);
    }
    for (int i = 0; i < addresses.length; i++) {
      assertEquals(0x60 + 2L * i, bench.reads(NIC, addresses[i] + 0xabc), "address " + i);
      assertEquals(4096, bench.window.length());
    }
    if (levels == 4) {
      bench.map(top, 4, 0xffff_ffff_f000L, HIGH + 0x3000, 3);
      assertEquals(0x10_0003, bench.writes(NIC, 0xffff_ffff_ffffL));
    }
  }

  @Test
  void aWindowSpansTheRunAroundTheAddress() {
    bench.translate();
    long top = bench.context(NIC, 1, 3);
    for (int i = 0; i < 8; i++) {
      bench.map(top, 3, 0x10_0000 + i * 0x1000, 0x7_0000 + i * 0x1000, i == 2 ? 1 : 3);
    }
    bench.map(top, 3, 0x10_8000, 0x5_0000, 3); // elsewhere
    assertEquals(0x75, bench.writes(NIC, 0x10_5123));
    assertEquals(0x10_3000, bench.window.base(), "page 2 cannot be written");
    assertEquals(0x5000, bench.window.length(), "page 8 lies elsewhere");
    assertEquals(0x75, bench.reads(NIC, 0x10_5000));
    assertEquals(0x10_3000, bench.window.base(), "what is not cached is not looked for again");
    assertEquals(0x71, bench.reads(NIC, 0x10_1000));
    assertEquals(0x10_0000, bench.window.base());
    assertEquals(0x8000, bench.window.length());
    assertEquals(
        0x70, bench.window.segment().get(ValueLayout.JAVA_LONG, bench.window.offset(0x10_0000)));
  }

  @Test
  void aRunEndsWithItsBankOfRam() {
    bench.translate();
    long top = bench.context(NIC, 1, 3);
    bench.map(top, 3, 0x10_0000, MIB - 0x1000, 3);
    bench.map(top, 3, 0x10_1000, MIB, 3); // no RAM
    assertEquals(0xff, bench.reads(NIC, 0x10_0000));
    assertEquals(4096, bench.window.length());
    bench.map(top, 3, 0x11_0000, HIGH - 0x1000, 3); // no RAM
    bench.map(top, 3, 0x11_1000, HIGH, 3);
    assertEquals(0x10_0000, bench.reads(NIC, 0x11_1000));
    assertEquals(0x11_1000, bench.window.base());
    bench.refused(NIC, 0x11_0000, DmaAccess.READ, DmaFault.NO_MEMORY);
  }

  @Test
  void aRunIsNotFollowedForEver() {
    bench.translate();
    long top = bench.context(NIC, 1, 3);
    for (int i = 0; i < 200; i++) {
      bench.map(top, 3, 0x20_0000 + i * 0x1000L, i * 0x1000L, 3);
    }
    bench.reads(NIC, 0x20_0000 + 100 * 0x1000L);
    assertTrue(bench.window.length() >= 32 * 4096, "but far enough");
    assertTrue(bench.window.length() <= 64 * 4096);
  }

  @Test
  void eachSourceHasTablesOfItsOwn() {
    bench.translate();
    long nic = bench.context(NIC, 1, 3);
    long other = bench.context(OTHER, 2, 4);
    bench.map(nic, 3, 0x5000, 0x6000, 3);
    bench.map(other, 4, 0x8000, 0x9000, 3);
    assertEquals(6, bench.reads(NIC, 0x5000));
    assertEquals(9, bench.reads(OTHER, 0x8000));
    assertEquals(6, bench.fault(OTHER, 0x5000, DmaAccess.READ));
    assertEquals(6, bench.fault(NIC, 0x8000, DmaAccess.READ));
    assertEquals(2, bench.fault(NIC + 1, 0x5000, DmaAccess.READ), "another function");
    assertEquals(1, bench.fault(0xff00, 0x5000, DmaAccess.READ), "another bus");
  }

  @Test
  void aSourceIsOneRequesterHoweverOftenItIsAskedFor() {
    assertSame(bench.bus(NIC), bench.bus(NIC));
  }

  @Test
  void whoGoesAroundTheUnitSeesEverything() {
    bench.translate();
    assertTrue(bench.platform.physicalBusMemory().resolve(0x5000, DmaAccess.WRITE, bench.window));
    assertSame(bench.bus(NIC).generation(), bench.platform.physicalBusMemory().generation());
  }

  @Test
  void resolvingAllocatesNothing() {
    bench.translate();
    long top = bench.context(NIC, 1, 3);
    for (int i = 0; i < 64; i++) {
      bench.map(top, 3, 0x10_0000 + i * 0x1000L, 0x1000L * (i ^ 1), 3);
    }
    Runnable work =
        () -> {
          for (int i = 0; i < 1000; i++) {
            bench.bus(NIC).resolve(0x10_0000 + i % 64 * 0x1000L, DmaAccess.READ, bench.window);
            if (i % 3 == 0) {
              bench.write64(0x100, 0x10_0000 + i % 64 * 0x1000L);
              bench.write64(0x108, 1L << 63 | 3L << 60 | 1L << 32);
            }
          }
        };
    long allocated = Long.MAX_VALUE;
    for (int attempt = 0; attempt < 20 && allocated > 0; attempt++) {
      allocated = Allocation.bytesOf(10, work);
    }
    assertEquals(0, allocated);
  }
}
