package dev.virtiolab.iommu.vtd;

import static dev.virtiolab.iommu.vtd.VtdBench.NIC;
import static dev.virtiolab.iommu.vtd.VtdBench.OTHER;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.memory.DmaAccess;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What was cached is used until it is invalidated: 6.2 and 6.5. */
class InvalidationTest {
  private static final long HERE = 0x5000;

  private final VtdBench bench = new VtdBench();
  private long nic;
  private long other;

  @BeforeEach
  void twoDevicesInTwoDomains() {
    bench.translate();
    nic = bench.context(NIC, 1, 3);
    other = bench.context(OTHER, 2, 3);
    bench.map(nic, 3, HERE, 0x6000, 3);
    bench.map(other, 3, HERE, 0x7000, 3);
    assertEquals(6, bench.reads(NIC, HERE));
    assertEquals(7, bench.reads(OTHER, HERE));
  }

  @AfterEach
  void close() {
    bench.close();
  }

  private void unmapBoth() {
    bench.map(nic, 3, HERE, 0, 0);
    bench.map(other, 3, HERE, 0, 0);
  }

  private void stillThere(int source, long page) {
    assertEquals(page, bench.reads(source, HERE));
    assertEquals(page, bench.writes(source, HERE));
  }

  private void gone(int source) {
    assertEquals(6, bench.fault(source, HERE, DmaAccess.READ));
  }

  @Test
  void anEntryThatIsTakenOutOfTheTablesIsStillUsed() {
    unmapBoth();
    stillThere(NIC, 6);
    stillThere(OTHER, 7);
  }

  @Test
  void anEntryThatIsChangedIsUsedAsItWas() {
    bench.map(nic, 3, HERE, 0x8000, 1);
    stillThere(NIC, 6);
    bench.forgetPages(1, HERE, 0);
    assertEquals(8, bench.reads(NIC, HERE));
    assertEquals(5, bench.fault(NIC, HERE, DmaAccess.WRITE));
  }

  @Test
  void aPermissionThatIsGivenLaterIsNotSeenEither() {
    bench.map(nic, 3, 0x9000, 0xa000, 1);
    assertEquals(0xa, bench.reads(NIC, 0x9000));
    bench.map(nic, 3, 0x9000, 0xa000, 3);
    assertEquals(5, bench.fault(NIC, 0x9000, DmaAccess.WRITE));
    bench.forgetPages(1, 0x9000, 0);
    assertEquals(0xa, bench.writes(NIC, 0x9000));
  }

  @Test
  void whatWasNotPresentIsNotCached() {
    assertEquals(6, bench.fault(NIC, 0x9000, DmaAccess.READ));
    bench.map(nic, 3, 0x9000, 0xa000, 3);
    assertEquals(0xa, bench.reads(NIC, 0x9000));
    assertEquals(2, bench.fault(NIC + 8, HERE, DmaAccess.READ));
    bench.map(bench.context(NIC + 8, 3, 3), 3, HERE, 0xb000, 3);
    assertEquals(0xb, bench.reads(NIC + 8, HERE));
  }

  @Test
  void aPageIsForgottenInItsDomainAlone() {
    unmapBoth();
    bench.forgetPages(1, HERE, 0);
    assertEquals(3L << 57, bench.read64(0x108) & (1L << 63 | 3L << 57));
    gone(NIC);
    stillThere(OTHER, 7);
  }

  @Test
  void otherPagesStay() {
    bench.map(nic, 3, 0x9000, 0xa000, 3);
    assertEquals(0xa, bench.reads(NIC, 0x9000));
    unmapBoth();
    bench.map(nic, 3, 0x9000, 0, 0);
    bench.forgetPages(1, 0x4000, 0);
    bench.forgetPages(1, 0x6000, 1);
    stillThere(NIC, 6);
    bench.forgetPages(1, 0x6000, 2); // 4 pages from 0x4000 on
    gone(NIC);
    assertEquals(0xa, bench.reads(NIC, 0x9000));
    bench.forgetPages(1, 0, 9);
    assertEquals(6, bench.fault(NIC, 0x9000, DmaAccess.READ));
  }

  @Test
  void aMaskThatIsTooLargeForgetsNothingAndSaysSo() {
    unmapBoth();
    bench.forgetPages(1, HERE, 10);
    assertEquals(0, bench.read64(0x108) & (1L << 63 | 3L << 57));
    stillThere(NIC, 6);
  }

  @Test
  void aDomainIsForgottenAlone() {
    unmapBoth();
    bench.forgetDomain(2);
    stillThere(NIC, 6);
    gone(OTHER);
  }

  @Test
  void ofADomainOnlyTheBitsThatDomainsHaveCount() {
    unmapBoth();
    bench.forgetPages(0x7f01, HERE, 0);
    gone(NIC);
    stillThere(OTHER, 7);
    bench.forgetDomain(0x8002);
    gone(OTHER);
    bench.cpu.putLong(bench.contextEntry(NIC), 0);
    bench.write64(0x28, 1L << 63 | 2L << 61 | 0x101);
    assertEquals(2, bench.fault(NIC, HERE, DmaAccess.READ));
  }

  @Test
  void everythingIsForgotten() {
    unmapBoth();
    bench.forgetEverything();
    gone(NIC);
    gone(OTHER);
  }

  @Test
  void noGranularityIsNoCommand() {
    unmapBoth();
    bench.write64(0x108, 1L << 63 | 1L << 32);
    assertEquals(0, bench.read64(0x108) & (1L << 63 | 3L << 57));
    bench.write64(0x28, 1L << 63);
    assertEquals(0, bench.read64(0x28) & (1L << 63 | 3L << 59));
    stillThere(NIC, 6);
    assertEquals(1, bench.platform.counters().iotlbInvalidations());
  }

  @Test
  void aContextThatIsTakenOutIsStillUsed() {
    bench.cpu.putLong(bench.contextEntry(NIC), 0);
    stillThere(NIC, 6);
    bench.map(nic, 3, 0x9000, 0xa000, 3);
    assertEquals(0xa, bench.reads(NIC, 0x9000), "for walks too");
    bench.forgetEverything();
    stillThere(NIC, 6);
    bench.forgetContexts();
    assertEquals(2, bench.fault(NIC, HERE, DmaAccess.READ));
    assertEquals(0, bench.read32(0x108), "though its translations are still cached");
  }

  @Test
  void contextsAreForgottenByDomain() {
    bench.cpu.putLong(bench.contextEntry(NIC), 0);
    bench.cpu.putLong(bench.contextEntry(OTHER), 0);
    bench.write64(0x28, 1L << 63 | 2L << 61 | 2);
    assertEquals(2L << 59, bench.read64(0x28) & (1L << 63 | 3L << 59));
    stillThere(NIC, 6);
    assertEquals(2, bench.fault(OTHER, HERE, DmaAccess.READ));
  }

  @Test
  void contextsAreForgottenByDeviceAndFunction() {
    bench.cpu.putLong(bench.contextEntry(NIC), 0);
    bench.cpu.putLong(bench.contextEntry(OTHER), 0);
    bench.write64(0x28, 1L << 63 | 3L << 61 | (long) OTHER << 16 | 2);
    assertEquals(3L << 59, bench.read64(0x28) & (1L << 63 | 3L << 59));
    stillThere(NIC, 6);
    assertEquals(2, bench.fault(OTHER, HERE, DmaAccess.READ));
    bench.write64(0x28, 1L << 63 | 3L << 61 | (NIC + 6L) << 16 | 1);
    stillThere(NIC, 6);
    bench.write64(0x28, 1L << 63 | 3L << 61 | 2L << 32 | (NIC + 6L) << 16 | 1);
    assertEquals(2, bench.fault(NIC, HERE, DmaAccess.READ));
  }

  /** FM: 1 leaves out bit 2 of the source, 2 bits 2:1, and 3 bits 2:0. */
  @Test
  void theFunctionMaskLeavesOutTheUpperBitsOfTheFunctionFirst() {
    int[] leftOut = {0, 0b100, 0b110, 0b111};
    for (long mask = 0; mask < leftOut.length; mask++) {
      for (int function = 0; function < 8; function++) {
        bench.context(NIC, 1, 3);
        bench.forgetContexts();
        stillThere(NIC, 6);
        bench.cpu.putLong(bench.contextEntry(NIC), 0);
        bench.write64(0x28, 1L << 63 | 3L << 61 | mask << 32 | (NIC + (long) function) << 16 | 1);
        String which = "FM " + mask + ", function " + function;
        if ((function & ~leftOut[(int) mask]) == 0) {
          assertEquals(2, bench.fault(NIC, HERE, DmaAccess.READ), which);
        } else {
          assertEquals(6, bench.reads(NIC, HERE), which);
        }
      }
    }
  }

  @Test
  void newTablesOfTheSameDomainAreSeenPageByPage() {
    long top = bench.context(NIC, 1, 3);
    bench.map(top, 3, HERE, 0x8000, 3);
    bench.forgetContexts();
    stillThere(NIC, 6);
    bench.forgetDomain(1);
    assertEquals(8, bench.reads(NIC, HERE));
  }

  @Test
  void aDeviceThatMovesToAnotherDomainSeesNothingOfTheOldOne() {
    long top = bench.context(NIC, 9, 3);
    bench.map(top, 3, HERE, 0x8000, 3);
    bench.forgetContexts();
    assertEquals(8, bench.reads(NIC, HERE));
  }

  @Test
  void aWindowEndsWithTheInvalidationAndNotBefore() {
    bench.reads(NIC, HERE);
    unmapBoth();
    assertTrue(bench.window.covers(HERE, 4096, bench.memory.generation().acquire()));
    bench.forgetPages(1, HERE, 0);
    assertFalse(bench.window.covers(HERE, 1, bench.memory.generation().acquire()));
    bench.switchOff();
    bench.reads(NIC, HERE);
    bench.forgetContexts();
    assertFalse(bench.window.covers(HERE, 1, bench.memory.generation().acquire()));
  }

  @Test
  void hitsMissesAndEntriesAreCounted() {
    VtdCounters before = bench.platform.counters();
    assertEquals(2, before.iotlbEntries());
    bench.reads(NIC, HERE);
    bench.fault(NIC, 0x9000, DmaAccess.READ);
    VtdCounters after = bench.platform.counters();
    assertEquals(before.iotlbHits() + 1, after.iotlbHits());
    assertEquals(before.iotlbMisses() + 1, after.iotlbMisses());
    assertEquals(1, after.faults());
    assertTrue(after.translating());
    bench.forgetDomain(1);
    assertEquals(1, bench.platform.counters().iotlbEntries());
  }
}
