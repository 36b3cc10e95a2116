package dev.virtiolab.iommu.vtd;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.pci.memory.DmaAccess;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The registers of chapter 10, each number from there. */
class RegistersTest {
  private final VtdBench bench = new VtdBench();

  @AfterEach
  void close() {
    bench.close();
  }

  @Test
  void theVersionIsOneDotNought() {
    assertEquals(0x10, bench.read32(0x00));
  }

  @Test
  void theCapabilitiesAreThoseThatTheUnitHas() {
    long cap = bench.read64(0x08);
    assertEquals(2, cap & 7, "ND: 256 domains");
    assertEquals(0, cap >>> 3 & 1, "AFL");
    assertEquals(0, cap >>> 4 & 1, "RWBF");
    assertEquals(0, cap >>> 5 & 3, "PLMR, PHMR");
    assertEquals(0, cap >>> 7 & 1, "CM: not present is not cached");
    assertEquals(0b00110, cap >>> 8 & 0x1f, "SAGAW: 39 and 48 bits");
    assertEquals(47, cap >>> 16 & 0x3f, "MGAW: 48 bits");
    assertEquals(0x200, (cap >>> 24 & 0x3ff) * 16, "FRO");
    assertEquals(0, cap >>> 34 & 0xf, "SLLPS: no large pages");
    assertEquals(1, cap >>> 39 & 1, "PSI");
    assertEquals(7, cap >>> 40 & 0xff, "NFR: 8 records");
    assertEquals(9, cap >>> 48 & 0x3f, "MAMV");
    assertEquals(0, cap >>> 54 & 3, "DWD, DRD: nothing is drained");
    long ecap = bench.read64(0x10);
    assertEquals(1, ecap & 1, "C: walks are coherent");
    assertEquals(0x100, (ecap >>> 8 & 0x3ff) * 16, "IRO");
    assertEquals(0, ecap & ~(1L | 0x3ffL << 8), "nothing else, queued invalidation least of all");
  }

  @Test
  void afterPowerOnNothingIsSetAndTheFaultEventIsMasked() {
    for (int register : new int[] {0x18, 0x1c, 0x20, 0x24, 0x28, 0x2c, 0x34, 0x38 + 4, 0x40}) {
      assertEquals(0, bench.read32(register), Integer.toHexString(register));
    }
    assertEquals(1 << 31, bench.read32(0x38));
  }

  @Test
  void whatIsNotThereReadsAsZeroAndTakesNoWrite() {
    for (int register : new int[] {0x04, 0x58, 0x64, 0x80, 0x9c, 0xb8, 0x1fc, 0x280, 0xffc}) {
      bench.write32(register, -1);
      assertEquals(0, bench.read32(register), Integer.toHexString(register));
    }
    bench.write64(0x08, -1);
    bench.write64(0x10, -1);
    theCapabilitiesAreThoseThatTheUnitHas();
    bench.write32(0x00, -1);
    theVersionIsOneDotNought();
  }

  @Test
  void onlyAlignedAccessesOfFourAndEightBytesAreAnswered() {
    bench.write64(0x20, 0x1234_5000L);
    assertEquals(0xff, bench.registers.read(0x20, 1));
    assertEquals(0xffff, bench.registers.read(0x20, 2));
    assertEquals(0xffff_ffffL, bench.registers.read(0x22, 4));
    assertEquals(-1, bench.registers.read(0x24, 8));
    bench.registers.write(0x20, 1, 0);
    bench.registers.write(0x20, 2, 0);
    bench.registers.write(0x22, 4, 0);
    bench.registers.write(0x1c, 8, 0);
    assertEquals(0x1234_5000L, bench.read64(0x20));
  }

  @Test
  void eightBytesAreTwoTimesFour() {
    bench.write32(0x20, 0x8765_4fff);
    bench.write32(0x24, 0x12);
    assertEquals(0x12_8765_4000L, bench.read64(0x20), "RTADDR, without its reserved bits");
    bench.write32(0x100, 0x8765_4fff);
    bench.write32(0x104, 0x34);
    assertEquals(0x34_8765_407fL, bench.read64(0x100), "IVA: address, hint and mask");
    bench.translate();
    bench.write32(0x28, 0);
    bench.write32(0x2c, 0xa000_0000);
    assertEquals(0x2800_0000, bench.read32(0x2c), "the upper half gives the command");
    bench.write32(0x10c, 0x9000_0000);
    assertEquals(0x1200_0000, bench.read32(0x10c));
    assertEquals(2, bench.platform.counters().contextInvalidations());
    assertEquals(2, bench.platform.counters().iotlbInvalidations());
  }

  @Test
  void commandsThatAreNotOfferedHaveNoStatus() {
    bench.write32(0x18, 0x3f80_0000);
    assertEquals(0, bench.read32(0x1c));
    assertEquals(0, bench.read32(0x18), "write-only");
  }

  @Test
  void theRootTableIsTakenWhenItIsSetAndNotBefore() {
    bench.translate();
    long top = bench.context(VtdBench.NIC, 1, 3);
    bench.map(top, 3, 0x5000, 0x6000, 3);
    bench.write64(0x20, 0x0); // an address alone changes nothing
    bench.forgetContexts();
    assertEquals(6, bench.reads(VtdBench.NIC, 0x5000));
    bench.write32(0x18, 1L << 31 | 1L << 30);
    assertEquals(6, bench.reads(VtdBench.NIC, 0x5000), "the old context is cached still");
    bench.forgetContexts();
    assertEquals(1, bench.fault(VtdBench.NIC, 0x5000, DmaAccess.READ), "page 0 is no root table");
  }

  @Test
  void anEventThatIsMaskedIsPendingAndGoesOutWhenItIsNotAnyMore() {
    bench.translate();
    bench.write32(0x3c, 0x4321);
    bench.write32(0x40, 0xfee0_1007);
    bench.write32(0x44, 0);
    assertEquals(0x4321, bench.read32(0x3c));
    assertEquals(0xfee0_1004, bench.read32(0x40));
    bench.fault(VtdBench.NIC, 0x1000, DmaAccess.READ);
    assertEquals(3 << 30, bench.read32(0x38), "masked and pending");
    assertEquals(List.of(), bench.messages);
    bench.write32(0x38, 0);
    assertEquals(0, bench.read32(0x38));
    assertEquals(List.of("fee01004=17185"), bench.messages);
    bench.fault(VtdBench.NIC, 0x1000, DmaAccess.READ);
    assertEquals(1, bench.messages.size(), "one message while a fault is pending");
    bench.write32(0x20c, 1L << 31);
    bench.write32(0x21c, 1L << 31);
    bench.fault(VtdBench.NIC, 0x1000, DmaAccess.READ);
    assertEquals(2, bench.messages.size());
  }

  @Test
  void anEventIsNotOwedForFaultsThatWereSeenTo() {
    bench.translate();
    bench.fault(VtdBench.NIC, 0x1000, DmaAccess.READ);
    bench.write32(0x20c, 1L << 31);
    assertEquals(1 << 31, bench.read32(0x38));
    bench.write32(0x38, 0);
    assertEquals(List.of(), bench.messages);
  }

  @Test
  void anEventIsOwedUntilTheOverflowIsSeenToAsWell() {
    bench.translate();
    for (int i = 0; i < 9; i++) {
      bench.fault(VtdBench.NIC, 0x1000, DmaAccess.READ);
    }
    for (int record = 0; record < 8; record++) {
      bench.write32(0x20c + 16 * record, 1L << 31);
    }
    assertEquals(1, bench.read32(0x34), "the overflow alone");
    assertEquals(3 << 30, bench.read32(0x38));
    bench.write32(0x34, 1);
    assertEquals(1 << 31, bench.read32(0x38));
  }
}
