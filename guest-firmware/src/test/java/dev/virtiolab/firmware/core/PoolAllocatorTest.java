package dev.virtiolab.firmware.core;

import static dev.virtiolab.firmware.uefi.EfiStatus.INVALID_PARAMETER;
import static dev.virtiolab.firmware.uefi.EfiStatus.OUT_OF_RESOURCES;
import static dev.virtiolab.firmware.uefi.EfiStatus.SUCCESS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.firmware.fixture.Seed;
import dev.virtiolab.firmware.uefi.LongRef;
import dev.virtiolab.firmware.uefi.MemoryDescriptor;
import dev.virtiolab.firmware.uefi.MemoryType;
import dev.virtiolab.firmware.uefi.Tpl;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** UEFI Specification 2.10, 7.2.4 "EFI_BOOT_SERVICES.AllocatePool()" and 7.2.5 "FreePool()". */
class PoolAllocatorTest {
  private final Bench bench = new Bench();
  private final DxeCore core = bench.core;

  @Test
  void theMapChangesWithTheFirstAndTheLastBlockOfAPageOnly() {
    List<MemoryDescriptor> empty = bench.map();
    long first = allocate(100);
    long key = bench.mapKey();
    long second = allocate(100);
    assertEquals(key, bench.mapKey());
    assertEquals(SUCCESS, core.freePool(first));
    assertEquals(key, bench.mapKey());
    assertEquals(SUCCESS, core.freePool(second));
    assertTrue(key < bench.mapKey());
    assertEquals(empty, bench.map());
  }

  @Test
  void aPageHoldsBlocksOfOneType() {
    long data = allocate(64);
    LongRef code = new LongRef();
    core.allocatePool(MemoryType.BOOT_SERVICES_CODE, 64, code);
    assertTrue(data >>> 12 != code.value >>> 12);
  }

  @Test
  void whatWasNeverHandedOutCannotBeFreed() {
    long buffer = allocate(200);
    assertEquals(INVALID_PARAMETER, core.freePool(0));
    assertEquals(INVALID_PARAMETER, core.freePool(buffer + 8));
    assertEquals(INVALID_PARAMETER, core.freePool(buffer + 256));
    assertEquals(INVALID_PARAMETER, core.freePool(-1));
    assertEquals(SUCCESS, core.freePool(buffer));
    assertEquals(INVALID_PARAMETER, core.freePool(buffer));
  }

  @Test
  void aWritePastTheEndIsFoundWhenTheBlockIsFreed() {
    for (long size : new long[] {8, 56, 2040, 2041, 10_000}) {
      long buffer = allocate(size);
      long end = buffer + (size + 7) / 8 * 8;
      byte kept = bench.memory.getByte(end);
      bench.memory.putByte(end, (byte) (kept + 1));
      assertEquals(INVALID_PARAMETER, core.freePool(buffer), "size=" + size);
      bench.memory.putByte(end, kept);
      assertEquals(SUCCESS, core.freePool(buffer), "size=" + size);
    }
  }

  @Test
  void moreThanThereIsIsOutOfResourcesAndNull() {
    for (long size : new long[] {Bench.RAM_BYTES, Long.MAX_VALUE, -1, Long.MIN_VALUE, 1L << 52}) {
      LongRef buffer = new LongRef(1);
      assertEquals(
          OUT_OF_RESOURCES, core.allocatePool(MemoryType.BOOT_SERVICES_DATA, size, buffer));
      assertEquals(0, buffer.value);
    }
    assertEquals(INVALID_PARAMETER, core.allocatePool(MemoryType.BOOT_SERVICES_DATA, 1, null));
  }

  @Test
  void poolServicesAboveNotifyAreABug() {
    core.raiseTpl(Tpl.HIGH_LEVEL);
    assertThrows(IllegalStateException.class, () -> allocate(1));
  }

  @Test
  void blocksAreAlignedDisjointAndAllComeBack() {
    SplittableRandom random = Seed.random("PoolAllocatorTest");
    List<MemoryDescriptor> empty = bench.map();
    TreeMap<Long, Long> taken = new TreeMap<>();
    for (int step = 0; step < 5_000; step++) {
      if (taken.isEmpty() || random.nextInt(100) < 55) {
        long size = random.nextLong(1L << random.nextInt(1, 15));
        long buffer = allocate(size);
        assertEquals(0, buffer % 8);
        Map.Entry<Long, Long> below = taken.floorEntry(buffer);
        assertTrue(below == null || below.getKey() + below.getValue() <= buffer);
        Long above = taken.ceilingKey(buffer);
        assertTrue(above == null || buffer + size <= above);
        taken.put(buffer, size);
        bench.memory.fill(buffer, size, (byte) step);
      } else {
        Long buffer = taken.ceilingKey(random.nextLong(taken.lastKey() + 1));
        assertEquals(SUCCESS, core.freePool(buffer));
        taken.remove(buffer);
      }
    }
    for (long buffer : taken.keySet()) {
      assertEquals(SUCCESS, core.freePool(buffer));
    }
    assertEquals(empty, bench.map());
  }

  private long allocate(long size) {
    LongRef buffer = new LongRef();
    assertEquals(SUCCESS, core.allocatePool(MemoryType.BOOT_SERVICES_DATA, size, buffer));
    return buffer.value;
  }
}
