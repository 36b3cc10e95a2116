package dev.virtiolab.iommu.vtd;

import static dev.virtiolab.iommu.vtd.VtdBench.HIGH;
import static dev.virtiolab.iommu.vtd.VtdBench.MIB;
import static dev.virtiolab.iommu.vtd.VtdBench.NIC;
import static dev.virtiolab.iommu.vtd.VtdBench.OTHER;
import static dev.virtiolab.iommu.vtd.VtdBench.ROOT;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.virtiolab.iommu.PlatformObserver;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Reasons of 7.1.3, by their numbers, and the records of 7.2.1. */
class FaultsTest {
  private static final DmaAccess READ = DmaAccess.READ;
  private static final DmaAccess WRITE = DmaAccess.WRITE;

  /** No RAM between 1 MiB and 4 GiB, nor above. */
  private static final long NOWHERE = 0x7000_0000L;

  private final VtdBench bench = new VtdBench();

  @BeforeEach
  void translate() {
    bench.translate();
  }

  @AfterEach
  void close() {
    bench.close();
  }

  private int reason(long address, DmaAccess access) {
    bench.forgetContexts();
    bench.forgetEverything();
    return bench.fault(NIC, address, access);
  }

  @Test
  void reason1RootEntryIsNotPresent() {
    assertEquals(0x1, reason(0x5000, READ));
    bench.cpu.putLong(ROOT, -2); // whatever else is in it
    assertEquals(0x1, reason(0x5000, READ));
  }

  @Test
  void reason2ContextEntryIsNotPresent() {
    bench.context(NIC + 1, 1, 3);
    assertEquals(0x2, reason(0x5000, READ));
  }

  @Test
  void reason3ContextAsksForWhatTheUnitHasNot() {
    long top = bench.context(NIC, 1, 3);
    long entry = bench.contextEntry(NIC);
    for (int width : new int[] {0, 3, 4, 7}) {
      bench.cpu.putLong(entry + 8, 1 << 8 | width);
      assertEquals(0x3, reason(0x5000, READ), "AW " + width);
    }
    bench.cpu.putLong(entry + 8, 1 << 8 | 1);
    for (int type = 1; type < 4; type++) {
      bench.cpu.putLong(entry, top | type << 2 | 1);
      assertEquals(0x3, reason(0x5000, READ), "TT " + type);
    }
  }

  @Test
  void reason4AddressIsTooWide() {
    long top = bench.context(NIC, 1, 3);
    bench.map(top, 3, 0, 0x6000, 3);
    assertEquals(0x4, reason(1L << 39, READ));
    assertEquals(0x4, reason(1L << 63, WRITE));
    assertEquals(6, bench.reads(NIC, 0));
    assertEquals(0x4, bench.fault(NIC, 1L << 39, READ), "with a cached context too");
    bench.context(NIC, 1, 4);
    assertEquals(0x6, reason(1L << 39, READ));
    assertEquals(0x4, reason(1L << 48, READ));
  }

  @Test
  void reasons5And6PageIsNotThereOrNotForThis() {
    long top = bench.context(NIC, 1, 3);
    assertEquals(0x5, reason(0x5000, WRITE));
    assertEquals(DmaFault.NOT_MAPPED, bench.window.fault());
    assertEquals(0x6, reason(0x5000, READ));
    assertEquals(DmaFault.NOT_MAPPED, bench.window.fault());
    bench.map(top, 3, 0x5000, 0x6000, 1);
    assertEquals(0x5, reason(0x5000, WRITE));
    assertEquals(DmaFault.NOT_PERMITTED, bench.window.fault());
    bench.map(top, 3, 0x5000, 0x6000, 2);
    assertEquals(0x6, reason(0x5000, READ));
    assertEquals(DmaFault.NOT_PERMITTED, bench.window.fault());
    assertEquals(6, bench.writes(NIC, 0x5000));
  }

  @Test
  void reasons5And6OfATableAboveThePage() {
    long top = bench.context(NIC, 1, 3);
    bench.map(top, 3, 0x5000, 0x6000, 3);
    long middle = bench.cpu.getLong(top) & -4096;
    bench.cpu.putLong(middle, bench.cpu.getLong(middle) & ~2); // read only
    assertEquals(0x5, reason(0x5000, WRITE));
    assertEquals(6, bench.reads(NIC, 0x5000));
    bench.cpu.putLong(top, bench.cpu.getLong(top) & ~1); // and here write only
    assertEquals(0x5, reason(0x5000, WRITE));
    assertEquals(0x6, reason(0x5000, READ));
  }

  @Test
  void reason7TableIsNotInRam() {
    long top = bench.context(NIC, 1, 3);
    bench.map(top, 3, 0x5000, 0x6000, 3);
    long middle = bench.cpu.getLong(top) & -4096;
    bench.cpu.putLong(middle, NOWHERE | 3);
    assertEquals(0x7, reason(0x5000, READ), "the last one");
    bench.cpu.putLong(top, HIGH + MIB | 3);
    assertEquals(0x7, reason(0x5000, READ), "the one above");
    bench.cpu.putLong(bench.contextEntry(NIC), NOWHERE | 1);
    assertEquals(0x3, reason(0x5000, READ), "the first is the context's: LCT.4.3");
  }

  @Test
  void reason8RootTableIsNotInRam() {
    bench.write64(0x20, NOWHERE);
    bench.write32(0x18, 1L << 31 | 1L << 30);
    assertEquals(0x8, reason(0x5000, READ));
    bench.write64(0x20, -4096);
    bench.write32(0x18, 1L << 31 | 1L << 30);
    assertEquals(0x8, reason(0x5000, READ));
  }

  @Test
  void reason9ContextTableIsNotInRam() {
    bench.cpu.putLong(ROOT, NOWHERE | 1);
    assertEquals(0x9, reason(0x5000, READ));
  }

  @Test
  void reasonAReservedBitsOfARootEntry() {
    bench.context(NIC, 1, 3);
    long good = bench.cpu.getLong(ROOT);
    for (int bit = 0; bit < 64; bit++) {
      bench.cpu.putLong(ROOT, good | 1L << bit);
      boolean reserved = bit >= 1 && bit <= 11 || bit >= 46;
      if (reserved) {
        assertEquals(0xa, reason(0x5000, READ), "bit " + bit);
      }
      bench.cpu.putLong(ROOT, good);
      bench.cpu.putLong(ROOT + 8, 1L << bit);
      assertEquals(0xa, reason(0x5000, READ), "bit " + (64 + bit));
      bench.cpu.putLong(ROOT + 8, 0);
    }
    assertEquals(0x6, reason(0x5000, READ), "as it was");
  }

  @Test
  void reasonBReservedBitsOfAContextEntry() {
    bench.context(NIC, 1, 3);
    long entry = bench.contextEntry(NIC);
    long low = bench.cpu.getLong(entry);
    long high = bench.cpu.getLong(entry + 8);
    for (int bit = 0; bit < 64; bit++) {
      if (bit >= 4 && bit <= 11 || bit >= 46) {
        bench.cpu.putLong(entry, low | 1L << bit);
        assertEquals(0xb, reason(0x5000, READ), "bit " + bit);
        bench.cpu.putLong(entry, low);
      }
      bench.cpu.putLong(entry + 8, high | 1L << bit);
      if (bit == 7 || bit >= 16) { // domains have 8 bits
        assertEquals(0xb, reason(0x5000, READ), "bit " + (64 + bit));
      } else if (bit >= 3) {
        assertEquals(0x6, reason(0x5000, READ), "ignored, or a domain: bit " + (64 + bit));
      }
      bench.cpu.putLong(entry + 8, high);
    }
  }

  @Test
  void reasonCReservedBitsOfAPageTableEntry() {
    long top = bench.context(NIC, 1, 4);
    bench.map(top, 4, 0x5000, 0x6000, 3);
    long third = bench.cpu.getLong(top) & -4096;
    long second = bench.cpu.getLong(third) & -4096;
    long leaf = bench.leaf(top, 4, 0x5000);
    long[] entries = {leaf, second, third, top};
    for (int level = 0; level < entries.length; level++) {
      long good = bench.cpu.getLong(entries[level]);
      for (int bit = 2; bit < 64; bit++) {
        boolean large = bit == 7 && level > 0;
        if (large || bit == 11 || bit >= 46 && bit <= 51 || bit == 62) {
          bench.cpu.putLong(entries[level], good | 1L << bit);
          assertEquals(0xc, reason(0x5000, READ), "level " + (level + 1) + " bit " + bit);
          bench.cpu.putLong(entries[level], good);
        } else if (bit < 12 || bit > 51) {
          bench.cpu.putLong(entries[level], good | 1L << bit);
          bench.forgetEverything();
          assertEquals(6, bench.reads(NIC, 0x5000), "level " + (level + 1) + " bit " + bit);
          bench.cpu.putLong(entries[level], good);
        }
      }
    }
    bench.cpu.putLong(leaf, 0x6000 | 1 << 11);
    assertEquals(0x6, reason(0x5000, READ), "an entry that is not present has no reserved bits");
  }

  @Test
  void reasonEPageIsWhereInterruptMessagesGo() {
    long top = bench.context(NIC, 1, 3);
    bench.map(top, 3, 0x5000, 0xfee0_0000L, 3);
    bench.map(top, 3, 0x6000, 0xfeef_f000L, 3);
    assertEquals(0xe, reason(0x5000, READ));
    assertEquals(0xe, reason(0x6000, WRITE));
    bench.map(top, 3, 0x5000, 0xfedf_f000L, 3);
    bench.map(top, 3, 0x6000, 0xfef0_0000L, 3);
    bench.forgetEverything();
    bench.refused(NIC, 0x5000, READ, DmaFault.NO_MEMORY);
    bench.refused(NIC, 0x6000, READ, DmaFault.NO_MEMORY);
  }

  @Test
  void aPageWithoutMemoryIsNoFaultOfTheUnit() {
    long top = bench.context(NIC, 1, 3);
    bench.map(top, 3, 0x5000, NOWHERE, 3);
    bench.refused(NIC, 0x5000, READ, DmaFault.NO_MEMORY);
    assertEquals(List.of(), bench.platform.faults());
  }

  @Test
  void whatGoesToTheInterruptControllersIsNotTranslated() {
    long top = bench.context(NIC, 1, 3);
    bench.map(top, 3, 0xfeef_f000L, 0x6000, 3);
    bench.map(top, 3, 0xfef0_0000L, 0x7000, 3);
    assertEquals(7, bench.reads(NIC, 0xfef0_0000L));
    assertEquals(0xfef0_0000L, bench.window.base(), "nor is it part of a window beside it");
    bench.refused(NIC, 0xfee0_0000L, WRITE, DmaFault.NO_MEMORY);
    bench.refused(NIC, 0xfeef_f000L, READ, DmaFault.NO_MEMORY);
    assertEquals(List.of(), bench.platform.faults());
  }

  @Test
  void aContextMayAskForSilence() {
    long top = bench.context(NIC, 1, 3);
    long entry = bench.contextEntry(NIC);
    bench.cpu.putLong(entry, top | 2);
    bench.refused(NIC, 0x5000, READ, DmaFault.NOT_MAPPED);
    bench.cpu.putLong(entry, top | 3);
    bench.refused(NIC, 0x5000, READ, DmaFault.NOT_MAPPED);
    bench.refused(NIC, 0x5000, READ, DmaFault.NOT_MAPPED); // with a cached context
    assertEquals(0, bench.read32(0x34));
    assertEquals(3, bench.platform.counters().faultsNotRecorded());
    assertEquals(3, bench.platform.faults().size(), "the lab sees them all the same");
  }

  // ---- records

  @Test
  void aRecordHasSourceAddressTypeAndReason() {
    bench.context(OTHER, 1, 3);
    bench.fault(OTHER, 0x1_2345_6789L, WRITE);
    assertEquals(0x1_2345_6000L, bench.read64(0x200));
    assertEquals(1L << 63 | 5L << 32 | 0x108, bench.read64(0x208));
    assertEquals(0x0000_0002, bench.read32(0x34), "pending, record 0");
    bench.fault(NIC, 0x9000, READ);
    assertEquals(0x9000, bench.read64(0x210));
    assertEquals(1L << 63 | 1L << 62 | 1L << 32 | 0x20, bench.read64(0x218));
  }

  @Test
  void aRecordStaysUntilItsFaultBitIsCleared() {
    bench.fault(NIC, 0x9000, READ);
    bench.write64(0x200, 0);
    bench.write64(0x208, 0);
    bench.write32(0x208, -1);
    bench.write32(0x20c, 0x7fff_ffff);
    assertEquals(1L << 63 | 1L << 62 | 1L << 32 | 0x20, bench.read64(0x208));
    assertEquals(0x2, bench.read32(0x34));
    bench.write32(0x34, -1);
    assertEquals(0x2, bench.read32(0x34), "PPF follows the records");
    bench.write64(0x208, 1L << 63);
    assertEquals(1L << 62 | 1L << 32 | 0x20, bench.read64(0x208));
    assertEquals(0, bench.read32(0x34));
  }

  @Test
  void theNinthFaultOverflowsAndNothingIsRecordedUntilThatIsCleared() {
    for (int i = 0; i < 8; i++) {
      bench.fault(NIC, i * 0x1000L, READ);
    }
    assertEquals(0x2, bench.read32(0x34));
    bench.fault(NIC, 0x8000, READ);
    assertEquals(0x3, bench.read32(0x34));
    for (int i = 0; i < 8; i++) {
      assertEquals(i * 0x1000L, bench.read64(0x200 + 16 * i));
    }
    bench.write32(0x20c, 1L << 31);
    bench.fault(NIC, 0x9000, READ);
    assertEquals(0, bench.read64(0x200), "there is room, but the overflow bit is set");
    bench.write32(0x34, 1);
    bench.fault(NIC, 0xa000, READ);
    assertEquals(0xa000, bench.read64(0x200));
    assertEquals(0x102, bench.read32(0x34), "record 1 has been waiting longest");
    assertEquals(11, bench.platform.counters().faults());
    assertEquals(2, bench.platform.counters().faultsNotRecorded());
  }

  @Test
  void recordsBeginWithTheFirstAgainWhenTranslationWasOff() {
    for (int i = 0; i < 3; i++) {
      bench.fault(NIC, i * 0x1000L, READ);
      bench.write32(0x20c + 16 * i, 1L << 31);
    }
    bench.switchOff();
    bench.switchOn();
    bench.fault(NIC, 0xa000, READ);
    assertEquals(0xa000, bench.read64(0x200));
    assertEquals(0x2, bench.read32(0x34), "record 0");
  }

  @Test
  void theFirstFaultsAreKeptAsEvidenceAndNoMore() {
    for (int i = 0; i < 300; i++) {
      bench.refused(NIC, i * 0x1000L + 5, READ, DmaFault.NOT_MAPPED);
    }
    List<FaultRecord> faults = bench.platform.faults();
    assertEquals(256, faults.size());
    assertEquals("00:04.0 read address=0x5 reason=ROOT_NOT_PRESENT", faults.getFirst().toString());
    assertEquals(0xff005, faults.getLast().address());
    assertEquals(300, bench.platform.counters().faults());
  }

  @Test
  void anObserverIsToldOfFaultsAndInvalidations() {
    List<String> told = new ArrayList<>();
    bench.platform.observe(
        new PlatformObserver() {
          @Override
          public void faulted(int requesterId, long address, DmaAccess access, DmaFault reason) {
            told.add("fault %x %x %s %s".formatted(requesterId, address, access, reason));
          }

          @Override
          public void invalidated(String scope, long address, long pages) {
            told.add("%s %x %d".formatted(scope, address, pages));
          }
        });
    bench.fault(NIC, 0x1234, WRITE);
    bench.forgetContexts();
    bench.forgetEverything();
    bench.forgetDomain(1);
    bench.forgetPages(1, 0x7000, 2);
    assertEquals(
        List.of(
            "fault 20 1234 WRITE NOT_MAPPED",
            "contexts 0 0",
            "IOTLB 0 0",
            "IOTLB of a domain 0 0",
            "IOTLB pages 4000 4"),
        told);
  }
}
