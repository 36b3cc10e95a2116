package dev.virtiolab.firmware.iommu;

import static dev.virtiolab.firmware.uefi.DmaOperation.*;
import static org.junit.jupiter.api.Assertions.*;

import dev.virtiolab.firmware.iommu.BounceSlots.SlotClass;
import dev.virtiolab.firmware.uefi.DmaMapping;
import dev.virtiolab.firmware.uefi.EfiStatus;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Reserved shared slots: OvmfPkg/IoMmuDxe/IoMmuBuffer.c. */
class ReservedSlotsTest {

  @Test
  void ovmfsTableIsTheDefault() {
    List<SlotClass> classes = BounceSlots.OVMF.classes();
    assertEquals(
        List.of(
            new SlotClass(0x1000, 4),
            new SlotClass(0x8000, 8),
            new SlotClass(0x20000, 2),
            new SlotClass(0x100000, 1),
            new SlotClass(0x200000, 2)),
        classes);
    assertEquals(17, BounceSlots.OVMF.totalSlots());
    assertEquals(4 * 2 + 8 * 9 + 2 * 33 + 257 + 2 * 513, BounceSlots.OVMF.totalPages());
  }

  @Test
  void slotsAreSharedFromTheStartZeroAndBelow4GibWithAPrivatePageBeforeEach() {
    IoMmuBench bench = new IoMmuBench(BounceSlots.OVMF);
    Set<Long> shared = bench.memory.sharedPages();
    assertEquals(4 + 8 * 8 + 2 * 32 + 256 + 2 * 512, shared.size());
    assertEquals(shared.size(), bench.counters.slotPagesShared());
    assertEquals(shared.size(), bench.counters.pagesShared());
    assertEquals(17, bench.counters.slotsReserved());
    int runs = 0;
    for (long page : shared) {
      assertTrue(page < IoMmuBench.FOUR_GIB);
      assertTrue(bench.deviceSeesZeros(page, 4096));
      if (!shared.contains(page - 4096)) {
        runs++;
      }
    }
    assertEquals(17, runs);
  }

  @Test
  void aMapThatFindsASlotFlipsNothingAndAllocatesNothing() {
    IoMmuBench bench = new IoMmuBench(BounceSlots.OVMF);
    long client = bench.pages(1);
    bench.putText(client, "frame");
    int flips = bench.memory.flips().size();
    long free = bench.freePages();

    DmaMapping mapping = bench.mapped(BUS_MASTER_READ64, client, 5);
    assertEquals("frame", bench.deviceText(bench.device.value, 5));
    assertEquals(1, bench.counters.slotsInUse());
    bench.unmap(mapping);

    assertEquals(0, bench.counters.slotsInUse());
    assertEquals(flips, bench.memory.flips().size());
    assertEquals(free, bench.freePages());
    assertTrue(bench.memory.isShared(bench.device.value));
    assertTrue(bench.deviceSeesZeros(bench.device.value, 4096), "slot holds stale bytes");
  }

  @Test
  void withASlotForEachMappingOfAFullRingNoneFlipsAPage() {
    IoMmuBench bench = new IoMmuBench(BounceSlots.ovmfWithSmallSlots(128));
    long client = bench.pages(1);
    int flips = bench.memory.flips().size();
    List<DmaMapping> mappings = new ArrayList<>();
    for (int i = 0; i < 128; i++) {
      mappings.add(bench.mapped(BUS_MASTER_READ64, client, 1514));
    }
    assertEquals(128, bench.counters.slotsInUse());
    mappings.forEach(bench::unmap);
    assertEquals(flips, bench.memory.flips().size());
  }

  @Test
  void onlyTheSmallestFittingClassIsTriedThenOrdinaryPages() {
    IoMmuBench bench =
        new IoMmuBench(new BounceSlots(List.of(new SlotClass(4096, 1), new SlotClass(32768, 1))));
    Set<Long> slots = bench.memory.sharedPages();
    long client = bench.pages(9);
    bench.mapped(BUS_MASTER_READ, client, 4096);
    assertTrue(slots.contains(bench.device.value));
    bench.mapped(BUS_MASTER_READ, client, 1);
    assertFalse(slots.contains(bench.device.value), "a larger class was tried");
    bench.mapped(BUS_MASTER_READ, client, 4097);
    assertTrue(slots.contains(bench.device.value));
    assertEquals(2, bench.counters.slotsInUse());
    bench.mapped(BUS_MASTER_READ, client, 32769);
    assertFalse(slots.contains(bench.device.value));
  }

  @Test
  void aSlotThatIsGivenBackIsTakenAgain() {
    IoMmuBench bench = new IoMmuBench(new BounceSlots(List.of(new SlotClass(4096, 2))));
    long client = bench.pages(1);
    DmaMapping first = bench.mapped(BUS_MASTER_READ, client, 1);
    long address = bench.device.value;
    bench.mapped(BUS_MASTER_READ, client, 1);
    assertNotEquals(address, bench.device.value);
    bench.unmap(first);
    bench.mapped(BUS_MASTER_WRITE, client, 1);
    assertEquals(address, bench.device.value);
  }

  @Test
  void aCommonBufferChoosesByItsPagesAndTheHeaderPage() {
    IoMmuBench bench =
        new IoMmuBench(new BounceSlots(List.of(new SlotClass(4096, 1), new SlotClass(8192, 1))));
    Set<Long> slots = bench.memory.sharedPages();
    long one = bench.commonBuffer(1, 0);
    assertTrue(slots.contains(one) && slots.contains(one + 4096), "one page goes to two");
    long two = bench.commonBuffer(1, 0);
    assertFalse(slots.contains(two));
    assertFalse(bench.memory.isShared(one - 4096), "header page is shared");
    assertEquals(CommonBuffer.SIGNATURE, bench.memory.getLong(one - 4096));
  }

  @Test
  void aCommonBufferInASlotIsSharedMappedOrNotAndLeavesNothingInIt() {
    IoMmuBench bench = new IoMmuBench(new BounceSlots(List.of(new SlotClass(8192, 1))));
    long free = bench.freePages();
    long buffer = bench.commonBuffer(1, 0);
    bench.putText(buffer, "ring");
    assertEquals("ring", bench.deviceText(buffer, 4));
    int flips = bench.memory.flips().size();
    DmaMapping mapping = bench.mapped(BUS_MASTER_COMMON_BUFFER, buffer, 4);
    assertEquals("ring", bench.deviceText(buffer, 4));
    bench.unmap(mapping);
    assertEquals("ring", bench.text(buffer, 4));
    assertEquals(flips, bench.memory.flips().size());
    assertEquals(EfiStatus.SUCCESS, bench.ioMmu.freeBuffer(1, buffer));
    assertTrue(bench.deviceSeesZeros(buffer, 8192), "slot holds stale bytes");
    assertEquals(0, bench.memory.getLong(buffer - 4096));
    assertEquals(free, bench.freePages());
    assertEquals(0, bench.counters.slotsInUse());
  }

  @Test
  void everySlotOfALargeTableCanBeHeldAtOnce() {
    BounceSlots table = new BounceSlots(List.of(new SlotClass(4096, 300)));
    IoMmuBench bench = new IoMmuBench(table);
    long client = bench.pages(1);
    Set<Long> addresses = new HashSet<>();
    List<DmaMapping> mappings = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      mappings.add(bench.mapped(BUS_MASTER_READ, client, 64));
      assertTrue(addresses.add(bench.device.value));
    }
    assertEquals(300, bench.counters.slotsInUse());
    mappings.forEach(bench::unmap);
    assertEquals(0, bench.counters.slotsInUse());
  }

  @Test
  void aTableThatFindsNoRoomLeavesTheDriverWithoutSlots() {
    IoMmuBench bench = new IoMmuBench(new BounceSlots(List.of(new SlotClass(1 << 26, 1))));
    assertEquals(0, bench.counters.slotsReserved());
    bench.unmap(bench.mapped(BUS_MASTER_READ, bench.pages(1), 4));
  }

  @Test
  void aTableThatMakesNoSenseIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> new SlotClass(4095, 1));
    assertThrows(IllegalArgumentException.class, () -> new SlotClass(0, 1));
    assertThrows(IllegalArgumentException.class, () -> new SlotClass(4096, 0));
    SlotClass small = new SlotClass(4096, 1);
    assertThrows(IllegalArgumentException.class, () -> new BounceSlots(List.of(small, small)));
    assertThrows(
        IllegalArgumentException.class, () -> new BounceSlots(List.of(new SlotClass(1 << 30, 2))));
  }
}
