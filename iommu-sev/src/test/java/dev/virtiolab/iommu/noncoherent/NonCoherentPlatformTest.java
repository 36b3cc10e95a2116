package dev.virtiolab.iommu.noncoherent;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.iommu.PlatformObserver;
import dev.virtiolab.pci.cpu.CpuCache;
import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.pci.memory.RamRegion;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Each rule of the platform by itself. */
class NonCoherentPlatformTest {
  private static final int PAGE = 4096;
  private static final long SIZE = 4 * PAGE;
  private static final long OFFSET = 0x8000_0000L;
  private static final long AT = 0x1040;

  private final PhysicalMemory memory = PhysicalMemory.allocate(SIZE, SIZE);
  private final NonCoherentPlatform platform = new NonCoherentPlatform(memory);
  private final CpuMemory cpu = platform.cpuMemory();
  private final CpuCache cache = platform.cpuCache().orElseThrow();
  private final BusMemory bus = platform.busMemory(0x20);

  @AfterEach
  void close() {
    platform.close();
    memory.close();
  }

  // ---- addresses

  @Test
  void aBusAddressIsTheCpusPlusTheOffset() {
    for (RamRegion region : memory.regions()) {
      DmaWindow window = new DmaWindow();
      long address = region.base() + OFFSET + 100;
      assertTrue(bus.resolve(address, DmaAccess.READ, window));
      assertEquals(region.base() + OFFSET, window.base());
      assertEquals(SIZE, window.length());
      deviceWrites(region.base() + 100, 42);
      assertEquals(42, region.segment().get(ValueLayout.JAVA_BYTE, 100));
    }
    assertEquals(OFFSET, platform.dmaOffset());
  }

  @Test
  void aCpuAddressGivenToADeviceIsNoMemoryUnlessItMeetsTheShiftedRam() {
    DmaWindow window = new DmaWindow();
    for (long address :
        new long[] {
          0, AT, OFFSET - 1, OFFSET + SIZE, PhysicalMemory.HIGH_BASE, -1, Long.MIN_VALUE, 1L << 62
        }) {
      assertFalse(bus.resolve(address, DmaAccess.READ, window), Long.toHexString(address));
      assertEquals(DmaFault.NO_MEMORY, window.fault());
    }
  }

  @Test
  void aDeviceWithoutAccessPlatformUsesCpuAddressesAndStillSeesDramOnly() {
    cpu.putByte(AT, (byte) 7);
    DmaWindow window = new DmaWindow();
    assertTrue(platform.physicalBusMemory().resolve(AT, DmaAccess.READ, window));
    assertEquals(0, window.segment().get(ValueLayout.JAVA_BYTE, window.offset(AT)));
    cache.writeBack(AT, 1);
    assertEquals(7, window.segment().get(ValueLayout.JAVA_BYTE, window.offset(AT)));
    assertTrue(platform.requiresAccessPlatform());
  }

  // ---- the cache

  @Test
  void theDeviceSeesOnlyWhatWasWrittenBack() {
    cpu.putInt(AT, 0x01020304);
    assertEquals(0, deviceSees(AT));
    assertEquals(0, dramHas(AT));
    assertEquals(LineState.DIRTY, platform.lineState(AT));

    cache.writeBack(AT + 63, 1);

    assertEquals(4, deviceSees(AT));
    assertEquals(4, dramHas(AT));
    assertEquals(LineState.CLEAN, platform.lineState(AT));
    cpu.putByte(AT, (byte) 5);
    assertEquals(LineState.DIRTY, platform.lineState(AT));
    assertEquals(4, deviceSees(AT));
  }

  @Test
  void theCpuSeesWhatTheDeviceWroteOnlyAfterInvalidation() {
    deviceWrites(AT, 1);
    assertEquals(1, cpu.getByte(AT), "a line that is not in the cache is filled from DRAM");
    deviceWrites(AT, 2);
    assertEquals(1, cpu.getByte(AT));
    assertEquals(1, platform.linesThatDiffer(AT, 1));

    cache.invalidate(AT, 1);

    assertEquals(LineState.ABSENT, platform.lineState(AT));
    assertEquals(0, platform.linesThatDiffer(AT, 1));
    assertEquals(2, cpu.getByte(AT));
  }

  @Test
  void writeBackKeepsTheLineAndWriteBackInvalidateDoesNot() {
    cpu.putByte(AT, (byte) 1);
    cache.writeBack(AT, 1);
    deviceWrites(AT, 9);
    assertEquals(1, cpu.getByte(AT));
    cpu.putByte(AT, (byte) 2);
    cache.writeBackInvalidate(AT, 1);
    assertEquals(2, deviceSees(AT));
    deviceWrites(AT, 9);
    assertEquals(9, cpu.getByte(AT));
  }

  @Test
  void whatIsInvalidatedDirtyIsLostAndCounted() {
    cpu.putByte(AT, (byte) 1);
    cpu.getByte(AT + 64);
    cache.invalidate(AT, 128);
    assertEquals(0, cpu.getByte(AT));
    assertEquals(0, deviceSees(AT));
    assertEquals(2, platform.counters().linesInvalidated());
    assertEquals(1, platform.counters().dirtyLinesLost());
  }

  @Test
  void aCleanLineIsNotWrittenBackOverWhatTheDeviceWrote() {
    cpu.getByte(AT);
    deviceWrites(AT, 8);
    cache.writeBack(AT, 1);
    assertEquals(8, deviceSees(AT));
    assertEquals(0, platform.counters().linesWrittenBack());
  }

  @Test
  void falseSharingALineThatIsWrittenBackOverwritesTheDevicesBytesInIt() {
    // The CPU's variable and the device's buffer share a line: what unaligned ends come to.
    cpu.putByte(AT, (byte) 1);
    deviceWrites(AT + 32, 99);
    assertEquals(99, deviceSees(AT + 32));

    cache.writeBack(AT, 1);

    assertEquals(0, deviceSees(AT + 32), "the device's byte is clobbered by the line");
  }

  @Test
  void falseSharingInvalidationForTheDevicesBytesLosesTheCpusInTheSameLine() {
    cpu.putByte(AT, (byte) 1);
    deviceWrites(AT + 32, 99);
    cache.invalidate(AT + 32, 1);
    assertEquals(99, cpu.getByte(AT + 32));
    assertEquals(0, cpu.getByte(AT), "the CPU's own byte went with the line");
    assertEquals(1, platform.counters().dirtyLinesLost());
  }

  @Test
  void noLineEverLeavesByItself() {
    try (PhysicalMemory large = PhysicalMemory.allocate(16 << 20);
        NonCoherentPlatform board = new NonCoherentPlatform(large)) {
      for (long at = 0; at < 16 << 20; at += 64) {
        board.cpuMemory().putByte(at, (byte) 1);
      }
      assertEquals((16 << 20) / 64, board.linesThatDiffer(0, 16 << 20));
      assertEquals(0, board.counters().linesWrittenBack());
      assertEquals((16 << 20) / 64, board.counters().linesFilled());
    }
  }

  @Test
  void aRangeStandsForEachLineThatItTouchesAndAnEmptyOneForNone() {
    for (int i = 0; i < 4; i++) {
      cpu.putByte(AT + 64 * i, (byte) 1);
    }
    cache.writeBack(AT + 63, 0);
    assertEquals(0, platform.counters().linesWrittenBack());
    cache.writeBack(AT + 63, 66);
    assertEquals(1, deviceSees(AT));
    assertEquals(1, deviceSees(AT + 64));
    assertEquals(1, deviceSees(AT + 128));
    assertEquals(0, deviceSees(AT + 192));
  }

  @Test
  void anAccessAcrossTwoLinesFillsAndDirtiesBoth() {
    cpu.putLong(AT + 60, -1);
    assertEquals(LineState.DIRTY, platform.lineState(AT));
    assertEquals(LineState.DIRTY, platform.lineState(AT + 64));
    cache.writeBack(AT, 1);
    assertEquals(-1, deviceSees(AT + 63));
    assertEquals(0, deviceSees(AT + 64));
  }

  @Test
  void aLineThatIsWrittenInPartKeepsTheRestOfDram() {
    deviceWrites(AT, 3);
    deviceWrites(AT + 191, 4);
    cpu.write(AT + 1, MemorySegment.ofArray(new byte[190]), 0, 190);
    cache.writeBack(AT, 192);
    assertEquals(3, deviceSees(AT));
    assertEquals(4, deviceSees(AT + 191));
  }

  // ---- uncached pages

  @Test
  void onAnUncachedPageCpuAndDeviceSeeTheSame() {
    cache.setUncached(0x1000, 1);
    cpu.putShortRelease(AT, (short) 0x0102);
    assertEquals(2, deviceSees(AT));
    deviceWrites(AT, 7);
    assertEquals(0x0107, cpu.getShortAcquire(AT));
    cpu.fill(AT, 8, (byte) 6);
    assertEquals(6, deviceSees(AT + 7));
    assertEquals(LineState.ABSENT, platform.lineState(AT));
    assertTrue(cache.isUncached(0x1fff));
    assertFalse(cache.isUncached(0x2000));
    assertFalse(cache.isUncached(0xfff));
    assertEquals(1, platform.counters().pagesUncached());
    cache.setCached(0x1000, 1);
    assertEquals(0, platform.counters().pagesUncached());
    cpu.putByte(AT, (byte) 9);
    assertEquals(6, deviceSees(AT));
  }

  @Test
  void linesOfAPageThatBecomesUncachedAreStrandedAndComeBackWithIt() {
    cpu.putByte(AT, (byte) 1);
    cpu.getByte(AT + 64);
    cache.setUncached(0x1000, 1);
    assertEquals(2, platform.counters().linesStranded());
    assertEquals(0, cpu.getByte(AT), "the dirty byte is out of sight");
    deviceWrites(AT, 5);
    assertEquals(5, cpu.getByte(AT));

    cache.setCached(0x1000, 1);
    assertEquals(1, cpu.getByte(AT), "and back, stale");

    cache.setUncached(0x1000, 1);
    cache.writeBackInvalidate(AT, 1);
    assertEquals(1, cpu.getByte(AT), "maintenance is by address, whatever the attribute");
  }

  @Test
  void anAccessThatIsCachedAtOneEndOnlyGoesToBoth() {
    cache.setUncached(0x1000, 1);
    cpu.putLong(0x1ffc, 0x0807060504030201L);
    assertEquals(1, deviceSees(0x1ffc));
    assertEquals(4, deviceSees(0x1fff));
    assertEquals(0, deviceSees(0x2000), "cached");
    assertEquals(0x0807060504030201L, cpu.getLong(0x1ffc));
    assertEquals(0x06050403, cpu.getInt(0x1ffe));
    assertEquals(0x0504, cpu.getShort(0x1fff));
  }

  // ---- bounds

  @Test
  void anAccessThatLeavesItsRegionThrowsAndChangesNothing() {
    for (RamRegion region : memory.regions()) {
      long end = region.limit();
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.putShort(end - 1, (short) -1));
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.putLong(end - 7, -1));
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.getLong(end - 7));
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.getByte(end));
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.fill(end - 8, 9, (byte) -1));
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.copy(region.base(), end - 8, 9));
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.copy(end - 8, region.base(), 9));
      MemorySegment bytes = MemorySegment.ofArray(new byte[9]);
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.write(end - 8, bytes, 0, 9));
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.write(end - 128, bytes, 0, 64));
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.read(end - 8, bytes, 0, 9));
      assertThrows(IndexOutOfBoundsException.class, () -> cache.writeBack(end - 8, 9));
      assertThrows(IndexOutOfBoundsException.class, () -> cache.invalidate(region.base(), -1));
      assertThrows(IndexOutOfBoundsException.class, () -> cache.writeBackInvalidate(end, 0));
      assertThrows(IndexOutOfBoundsException.class, () -> cache.setUncached(end - PAGE, 2));
      assertThrows(IndexOutOfBoundsException.class, () -> cache.setCached(end - PAGE, -1));
      assertThrows(IndexOutOfBoundsException.class, () -> cache.setUncached(0, Long.MAX_VALUE));
      assertThrows(IllegalArgumentException.class, () -> cache.setUncached(region.base() + 1, 1));
      assertThrows(IllegalArgumentException.class, () -> cpu.getShortAcquire(region.base() + 1));
      assertFalse(cache.isUncached(end - 1));
      for (long at = region.base(); at < end; at += 8) {
        assertEquals(0, cpu.getLong(at));
      }
    }
  }

  // ---- who watches

  @Test
  void theObserverIsToldOfMaintenanceAndOfAccessesThatFindNoMemory() {
    List<String> told = new ArrayList<>();
    platform.observe(
        new PlatformObserver() {
          @Override
          public void maintained(long address, long bytes, boolean written, boolean forgotten) {
            told.add("%x+%d %s %s".formatted(address, bytes, written, forgotten));
          }

          @Override
          public void faulted(int requesterId, long address, DmaAccess access, DmaFault reason) {
            told.add("%x %x %s %s".formatted(requesterId, address, access, reason));
          }
        });
    cache.writeBack(AT, 10);
    cache.invalidate(AT, 20);
    cache.writeBackInvalidate(AT, 30);
    bus.resolve(AT, DmaAccess.WRITE, new DmaWindow());
    bus.resolve(AT + OFFSET, DmaAccess.WRITE, new DmaWindow());
    platform.observe(PlatformObserver.NONE);
    cache.writeBack(AT, 10);
    assertEquals(
        List.of(
            "1040+10 true false",
            "1040+20 false true",
            "1040+30 true true",
            "20 1040 WRITE NO_MEMORY"),
        told);
  }

  private int deviceSees(long address) {
    DmaWindow window = new DmaWindow();
    assertTrue(bus.resolve(address + OFFSET, DmaAccess.READ, window));
    return window.segment().get(ValueLayout.JAVA_BYTE, window.offset(address + OFFSET));
  }

  private void deviceWrites(long address, int value) {
    DmaWindow window = new DmaWindow();
    assertTrue(bus.resolve(address + OFFSET, DmaAccess.WRITE, window));
    window.segment().set(ValueLayout.JAVA_BYTE, window.offset(address + OFFSET), (byte) value);
  }

  private int dramHas(long address) {
    byte[] one = new byte[1];
    platform.dram().read(platform.dram().systemPhysical(address), MemorySegment.ofArray(one), 0, 1);
    return one[0];
  }
}
