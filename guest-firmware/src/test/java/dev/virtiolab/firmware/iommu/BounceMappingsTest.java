package dev.virtiolab.firmware.iommu;

import static dev.virtiolab.firmware.uefi.DmaOperation.*;
import static org.junit.jupiter.api.Assertions.*;

import dev.virtiolab.firmware.fixture.FakeSevMemory;
import dev.virtiolab.firmware.fixture.FakeSevMemory.Flip;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.DmaOperation;
import dev.virtiolab.firmware.uefi.EfiStatus;
import dev.virtiolab.firmware.uefi.IoMmu;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.Ref;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Read and Write mappings: OvmfPkg/IoMmuDxe/CcIoMmu.c, without reserved slots. */
class BounceMappingsTest {
  private final IoMmuBench bench = new IoMmuBench(BounceSlots.NONE);

  @Test
  void aReadShowsTheDeviceTheClientsBytesAndNothingElse() {
    long client = bench.pages(1);
    bench.putText(client + 100, "a frame and a secret behind it");

    bench.mapped(BUS_MASTER_READ64, client + 100, 7);

    long device = bench.device.value;
    assertNotEquals(client + 100, device);
    assertEquals(0, device & 0xfff);
    assertEquals("a frame", bench.deviceText(device, 7));
    assertTrue(bench.deviceSeesZeros(device + 7, 4096 - 7), "padding holds stale bytes");
    assertEquals(Set.of(device), bench.memory.sharedPages());
  }

  @Test
  void theClientsOwnPageStaysPrivateWhileItIsMapped() {
    long client = bench.pages(1);
    bench.putText(client, "secret");
    bench.mapped(BUS_MASTER_READ, client, 6);
    assertFalse(bench.memory.isShared(client));
    assertEquals(FakeSevMemory.encrypted(client, (byte) 's'), bench.memory.deviceByte(client));
  }

  @Test
  void afterUnmapTheBouncePageIsPrivateZeroAndFree() {
    long client = bench.pages(1);
    bench.putText(client, "secret");
    long free = bench.freePages();
    DmaMapping mapping = bench.mapped(BUS_MASTER_READ, client, 6);
    assertEquals(free - 1, bench.freePages());

    bench.unmap(mapping);

    long device = bench.device.value;
    assertEquals(Set.of(), bench.memory.sharedPages());
    assertEquals(0, bench.memory.getByte(device), "bounce page is not zeroed");
    assertEquals(FakeSevMemory.encrypted(device, (byte) 0), bench.memory.deviceByte(device));
    assertEquals(free, bench.freePages());
    assertEquals(
        List.of(new Flip(true, device, 1), new Flip(false, device, 1)), bench.memory.flips());
  }

  @Test
  void whatTheDeviceWroteReachesTheClientAtUnmapAndNotBefore() {
    long client = bench.pages(1);
    bench.putText(client, "before, and after it");
    DmaMapping mapping = bench.mapped(BUS_MASTER_WRITE, client, 6);
    bench.deviceWrites(bench.device.value, "AFTER!too far");
    assertEquals("before", bench.text(client, 6));

    bench.unmap(mapping);

    assertEquals("AFTER!, and after it", bench.text(client, 20));
    assertEquals(FakeSevMemory.encrypted(client, (byte) 'A'), bench.memory.deviceByte(client));
  }

  @Test
  void aWriteMappingShowsTheDeviceNothingOfTheClientNorOfWhatThePageHeld() {
    long client = bench.pages(2);
    bench.putText(client, "secret");
    bench.mapped(BUS_MASTER_WRITE, client, 5000);
    assertTrue(bench.deviceSeesZeros(bench.device.value, 8192));
  }

  @Test
  void whatTheDeviceDoesToAReadMappingNeverReachesTheClient() {
    long client = bench.pages(1);
    bench.putText(client, "mine");
    DmaMapping mapping = bench.mapped(BUS_MASTER_READ, client, 4);
    bench.deviceWrites(bench.device.value, "evil");
    bench.unmap(mapping);
    assertEquals("mine", bench.text(client, 4));
  }

  @Test
  void operationsOf32BitsBounceBelow4GibAndThoseOf64AnywhereElse() {
    long client = bench.pages(1);
    for (DmaOperation operation : List.of(BUS_MASTER_READ, BUS_MASTER_WRITE)) {
      bench.mapped(operation, client, 10);
      assertTrue(bench.device.value < IoMmuBench.FOUR_GIB, operation + " above 4 GiB");
      bench.mapped(operation.dualAddress(), client, 10);
      assertTrue(bench.device.value >= IoMmuBench.FOUR_GIB, operation + "64 needs no low page");
    }
  }

  @Test
  void aMappingTakesWholePages() {
    long client = bench.pages(3);
    bench.mapped(BUS_MASTER_READ, client, 4096);
    assertEquals(1, bench.counters.pagesShared());
    bench.mapped(BUS_MASTER_READ, client, 4097);
    assertEquals(3, bench.counters.pagesShared());
  }

  @Test
  void nullsAreRefusedFirstAndLeaveTheLengthAlone() {
    LongRef bytes = new LongRef(5);
    LongRef device = new LongRef();
    Ref<DmaMapping> mapping = new Ref<>();
    long client = bench.pages(1);
    IoMmuDxe ioMmu = bench.ioMmu;
    assertEquals(
        EfiStatus.INVALID_PARAMETER, ioMmu.map(BUS_MASTER_READ, 0, bytes, device, mapping));
    assertEquals(
        EfiStatus.INVALID_PARAMETER, ioMmu.map(BUS_MASTER_READ, client, null, device, mapping));
    assertEquals(
        EfiStatus.INVALID_PARAMETER, ioMmu.map(BUS_MASTER_READ, client, bytes, null, mapping));
    assertEquals(
        EfiStatus.INVALID_PARAMETER, ioMmu.map(BUS_MASTER_READ, client, bytes, device, null));
    assertEquals(EfiStatus.INVALID_PARAMETER, ioMmu.map(null, 0, bytes, device, mapping));
    assertEquals(5, bytes.value);
    assertNull(mapping.value);
    assertEquals(5, bench.counters.failedMaps());
  }

  @Test
  void everyLaterFailureZeroesTheLengthAndLeavesNothingBehind() {
    long client = bench.pages(1);
    long free = bench.freePages();

    assertEquals(EfiStatus.INVALID_PARAMETER, bench.map(null, client, 9));
    assertEquals(0, bench.bytes.value);
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.map(BUS_MASTER_READ, client, 0));
    assertEquals(0, bench.bytes.value);
    // Nearly all of the RAM below 4 GiB has no copy that lies there, too.
    assertEquals(EfiStatus.OUT_OF_RESOURCES, bench.map(BUS_MASTER_WRITE, 4096, 15 << 20));
    assertEquals(0, bench.bytes.value);
    assertEquals(EfiStatus.OUT_OF_RESOURCES, bench.map(BUS_MASTER_READ64, 4096, 15 << 20));
    assertEquals(0, bench.bytes.value);

    assertEquals(free, bench.freePages());
    assertEquals(List.of(), bench.memory.flips());
    assertEquals(0, bench.ioMmu.openMappings());
    assertNull(bench.mapping.value);
    assertEquals(-77, bench.device.value);
  }

  @Test
  void whereThereIsNoRamThereIsNothingToMap() {
    long client = bench.pages(1);
    long below = 16 << 20;
    long above = IoMmuBench.FOUR_GIB + (4 << 20);
    for (DmaOperation operation : DmaOperation.values()) {
      boolean bounced = operation.dualAddress() != BUS_MASTER_COMMON_BUFFER64;
      assertEquals(EfiStatus.INVALID_PARAMETER, bench.map(operation, below, 1));
      assertEquals(0, bench.bytes.value);
      if (bounced) {
        assertEquals(EfiStatus.INVALID_PARAMETER, bench.map(operation, below - 1, 2));
        assertEquals(EfiStatus.INVALID_PARAMETER, bench.map(operation, above - 1, 2));
        assertEquals(EfiStatus.INVALID_PARAMETER, bench.map(operation, client, 1L << 40));
        assertEquals(EfiStatus.INVALID_PARAMETER, bench.map(operation, client, -1));
        assertEquals(EfiStatus.INVALID_PARAMETER, bench.map(operation, -4096, 8192));
      }
    }
    assertEquals(4 * 6 + 2, bench.counters.failedMaps());
    assertEquals(0, bench.ioMmu.openMappings());
    bench.mapped(BUS_MASTER_READ64, above - 1, 1);
  }

  @Test
  void unmapOfWhatIsNoMappingIsRefusedAndCounted() {
    long client = bench.pages(1);
    DmaMapping gone = bench.mapped(BUS_MASTER_READ, client, 4);
    bench.unmap(gone);
    DmaMapping foreign = new IoMmuBench(BounceSlots.NONE).mapped(BUS_MASTER_READ, client, 4);
    int flips = bench.memory.flips().size();

    assertEquals(EfiStatus.INVALID_PARAMETER, bench.ioMmu.unmap(null));
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.ioMmu.unmap(gone));
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.ioMmu.unmap(foreign));
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.ioMmu.unmap(new DmaMapping() {}));

    assertEquals(4, bench.counters.invalidUnmaps());
    assertEquals(1, bench.counters.unmaps());
    assertEquals(flips, bench.memory.flips().size());
  }

  @Test
  void aSecondUnmapIsSeenThoughManyMappingsWereMadeSince() {
    long client = bench.pages(1);
    DmaMapping gone = bench.mapped(BUS_MASTER_READ, client, 4);
    bench.unmap(gone);
    for (int i = 0; i < MappingPool.QUARANTINE - 1; i++) {
      bench.unmap(bench.mapped(BUS_MASTER_READ, client, 4));
    }
    bench.mapped(BUS_MASTER_READ, client, 4);
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.ioMmu.unmap(gone));
    assertEquals(1, bench.ioMmu.openMappings());
  }

  @Test
  void setAttributeTakesOnlyTheAccessThatTheOperationImplies() {
    long client = bench.pages(1);
    long common = bench.commonBuffer(1, 0);
    for (DmaOperation operation : DmaOperation.values()) {
      boolean read = operation == BUS_MASTER_READ || operation == BUS_MASTER_READ64;
      boolean write = operation == BUS_MASTER_WRITE || operation == BUS_MASTER_WRITE64;
      long implied = read ? 1 : write ? 2 : 3;
      DmaMapping mapping = bench.mapped(operation, read || write ? client : common, 8);
      for (long access = 0; access < 5; access++) {
        EfiStatus expected =
            access == 0 || access == implied ? EfiStatus.SUCCESS : EfiStatus.INVALID_PARAMETER;
        assertEquals(
            expected, bench.ioMmu.setAttribute(null, mapping, access), operation + " " + access);
      }
      bench.unmap(mapping);
      assertEquals(
          EfiStatus.INVALID_PARAMETER, bench.ioMmu.setAttribute(null, mapping, IoMmu.ACCESS_READ));
    }
    assertEquals(EfiStatus.INVALID_PARAMETER, bench.ioMmu.setAttribute(null, null, 0));
  }

  @Test
  void countersTellWhatCrossed() {
    long client = bench.pages(1);
    bench.mapped(BUS_MASTER_READ, client, 100);
    DmaMapping write = bench.mapped(BUS_MASTER_WRITE64, client, 30);
    DmaCounters counters = bench.counters;
    assertEquals(100, counters.bytesBouncedToDevice());
    assertEquals(0, counters.bytesBouncedFromDevice());
    bench.unmap(write);
    assertEquals(30, counters.bytesBouncedFromDevice());
    assertEquals(1, counters.readMaps());
    assertEquals(1, counters.writeMaps());
    assertEquals(0, counters.commonBufferMaps());
    assertEquals(2, counters.maps());
    assertEquals(1, counters.unmaps());
    assertEquals(1, counters.openMappings());
    assertEquals(2, counters.pagesMadeShared());
    assertEquals(1, counters.pagesMadePrivate());
    assertEquals(1, counters.pagesShared());
  }

  @Test
  void theProtocolIsInstalled() {
    Ref<IoMmu> found = new Ref<>();
    assertEquals(EfiStatus.SUCCESS, bench.core.locateProtocol(IoMmu.PROTOCOL, found));
    assertSame(bench.ioMmu, found.value);
  }
}
