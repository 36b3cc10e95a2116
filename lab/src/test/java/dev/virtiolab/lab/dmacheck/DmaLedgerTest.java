package dev.virtiolab.lab.dmacheck;

import static dev.virtiolab.firmware.uefi.DmaOperation.*;
import static dev.virtiolab.pci.memory.DmaAccess.READ;
import static dev.virtiolab.pci.memory.DmaAccess.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.iommu.Platform;
import dev.virtiolab.iommu.PlatformKind;
import dev.virtiolab.iommu.Platforms;
import dev.virtiolab.lab.dmacheck.Evidence.Sign;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.PhysicalMemory;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * Accesses held against what is mapped, and how the ledger explains those that are not in order.
 */
class DmaLedgerTest {
  private static final int NIC = 0x20;
  private static final int OTHER = 0x28;

  private final PhysicalMemory ram = PhysicalMemory.allocate(1 << 20);
  private final Platform platform = Platforms.create(PlatformKind.PC, ram, new SplittableRandom(1));
  private final Journal journal = new Journal(new StepClock());
  private final DmaLedger ledger = new DmaLedger(new StepClock(), journal);

  DmaLedgerTest() {
    ledger.watch(platform);
  }

  @AfterEach
  void close() {
    platform.close();
    ram.close();
  }

  private DmaMapping map(DmaOperation operation, long host, long bytes, long device) {
    DmaMapping mapping = new DmaMapping() {};
    ledger.mapped(NIC, operation, host, bytes, bytes, device, mapping);
    return mapping;
  }

  private String only() {
    List<Evidence> seen = journal.evidence();
    assertEquals(1, seen.size(), seen.toString());
    return seen.getFirst().text();
  }

  @Test
  void anAccessWithinAnOpenMappingForItsDirectionIsInOrder() {
    map(BUS_MASTER_READ, 0x5000, 100, 0x9000);
    map(BUS_MASTER_WRITE, 0x6000, 100, 0xa000);
    ledger.accessed(NIC, 0x9000, READ, DmaFault.NONE);
    ledger.accessed(NIC, 0x9063, READ, DmaFault.NONE);
    ledger.accessed(NIC, 0xa010, WRITE, DmaFault.NONE);
    assertEquals(List.of(), journal.evidence());
  }

  @Test
  void oneByteBeyondIsNot() {
    map(BUS_MASTER_READ, 0x5000, 100, 0x9000);
    ledger.accessed(NIC, 0x9064, READ, DmaFault.NONE);
    assertEquals(
        "00:04.0 read 0x9064, page 0x9000; mapped only up to 0x9064, by 00:04.0 BusMasterRead at"
            + " 0.001 ms",
        only());
  }

  @Test
  void theOtherDirectionIsNot() {
    map(BUS_MASTER_READ, 0x5000, 100, 0x9000);
    ledger.accessed(NIC, 0x9000, WRITE, DmaFault.NONE);
    assertTrue(only().endsWith("; mapped by 00:04.0 BusMasterRead at 0.001 ms"), only());
  }

  @Test
  void whatAnotherFunctionMappedIsNot() {
    map(BUS_MASTER_READ, 0x5000, 100, 0x9000);
    ledger.accessed(OTHER, 0x9000, READ, DmaFault.NONE);
    assertTrue(only().startsWith("00:05.0 read 0x9000"), only());
  }

  @Test
  void whatWasUnmappedIsNot() {
    DmaMapping mapping = map(BUS_MASTER_READ, 0x5000, 100, 0x9000);
    ledger.unmapped(NIC, mapping, EfiStatus.SUCCESS);
    ledger.accessed(NIC, 0x9000, READ, DmaFault.NONE);
    assertTrue(
        only().endsWith("last mapped by 00:04.0 BusMasterRead at 0.001 ms, unmapped at 0.002 ms"),
        only());
  }

  @Test
  void anUnmapThatFailedLeavesTheMappingOpen() {
    DmaMapping mapping = map(BUS_MASTER_READ, 0x5000, 100, 0x9000);
    ledger.unmapped(NIC, mapping, EfiStatus.INVALID_PARAMETER);
    ledger.accessed(NIC, 0x9000, READ, DmaFault.NONE);
    assertEquals("Unmap by 00:04.0 returned INVALID_PARAMETER", only());
  }

  @Test
  void aHostAddressIsRecognised() {
    map(BUS_MASTER_READ, 0x5000, 100, 0x9000);
    ledger.accessed(NIC, 0x5010, READ, DmaFault.NOT_MAPPED);
    assertEquals(Sign.DMA_FAULT, journal.evidence().getFirst().sign());
    assertEquals(
        "a read of 0x5010, page 0x5000 by 00:04.0 was refused: NOT_MAPPED; the host address of what"
            + " is mapped at 0x9000 by 00:04.0 BusMasterRead at 0.001 ms",
        only());
  }

  @Test
  void whatNobodyMappedWasNeverMapped() {
    ledger.accessed(NIC, 0x5010, WRITE, DmaFault.NONE);
    assertTrue(only().endsWith("; never mapped"), only());
  }

  @Test
  void likeAccessesOnOnePageAreCounted() {
    for (int i = 0; i < 5; i++) {
      ledger.accessed(NIC, 0x5000 + 16 * i, READ, DmaFault.NONE);
    }
    ledger.accessed(NIC, 0x6000, READ, DmaFault.NONE);
    assertEquals(List.of(5L, 1L), journal.evidence().stream().map(Evidence::times).toList());
  }

  @Test
  void aCommonBufferMustComeFromAllocateBuffer() {
    ledger.bufferAllocated(NIC, 2, 0x8000);
    map(BUS_MASTER_COMMON_BUFFER, 0x8000, 0x2000, 0x8000);
    assertEquals(List.of(), journal.evidence());
    map(BUS_MASTER_COMMON_BUFFER, 0x9000, 0x2000, 0x9000);
    assertEquals(Sign.FOREIGN, journal.evidence().getFirst().sign());
  }

  @Test
  void whatIsOpenInTheEndIsALeak() {
    map(BUS_MASTER_READ, 0x5000, 100, 0x9000);
    ledger.unmapped(NIC, map(BUS_MASTER_READ, 0x6000, 100, 0xa000), EfiStatus.SUCCESS);
    ledger.close();
    assertEquals(Sign.LEAK, journal.evidence().getFirst().sign());
    assertTrue(only().startsWith("0x9000, page 0x9000, is mapped still by 00:04.0"), only());
  }
}
