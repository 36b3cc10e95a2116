package dev.virtiolab.pci.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.Test;

class PhysicalMemoryTest {
  private static final long MIB = 1 << 20;

  @Test
  void lowRamBeginsAtZeroAndHighRamAtFourGibibytes() {
    try (PhysicalMemory memory = PhysicalMemory.allocate(2 * MIB, 4 * MIB)) {
      assertEquals(2, memory.regions().size());
      assertEquals(0, memory.regions().getFirst().base());
      assertEquals(2 * MIB, memory.regions().getFirst().limit());
      assertEquals(0x1_0000_0000L, memory.regions().getLast().base());
      assertEquals(6 * MIB, memory.bytes());
      assertEquals(0x1_0000_0000L + 4 * MIB, memory.limit());
    }
  }

  @Test
  void anAddressIsInTheRegionThatHoldsItOrInNone() {
    try (PhysicalMemory memory = PhysicalMemory.allocate(2 * MIB, 4 * MIB)) {
      RamRegion low = memory.regions().getFirst();
      RamRegion high = memory.regions().getLast();
      assertSame(low, memory.regionAt(0));
      assertSame(low, memory.regionAt(2 * MIB - 1));
      assertNull(memory.regionAt(2 * MIB));
      assertNull(memory.regionAt(0xffff_ffffL));
      assertSame(high, memory.regionAt(0x1_0000_0000L));
      assertNull(memory.regionAt(high.limit()));
      assertNull(memory.regionAt(-1));
      assertNull(memory.regionAt(Long.MIN_VALUE));
    }
  }

  @Test
  void freshRamIsZeroAndHugeRamCostsNothingUntilTouched() {
    try (PhysicalMemory memory = PhysicalMemory.allocate(PhysicalMemory.LOW_LIMIT, 8L << 30)) {
      MemorySegment high = memory.regions().getLast().segment();
      assertEquals(0, high.get(ValueLayout.JAVA_LONG, (8L << 30) - 8));
      high.set(ValueLayout.JAVA_LONG, (8L << 30) - 8, 42);
      assertEquals(42, high.get(ValueLayout.JAVA_LONG, (8L << 30) - 8));
    }
  }

  @Test
  void memoryAlikeHasTheSameRegionsAndBytesOfItsOwn() {
    try (PhysicalMemory memory = PhysicalMemory.allocate(MIB, 2 * MIB)) {
      memory.regions().getLast().segment().set(ValueLayout.JAVA_BYTE, 5, (byte) 77);
      try (PhysicalMemory alike = memory.allocateAlike()) {
        for (int i = 0; i < 2; i++) {
          RamRegion region = alike.regions().get(i);
          assertEquals(memory.regions().get(i).base(), region.base());
          assertEquals(memory.regions().get(i).limit(), region.limit());
        }
        assertEquals(0, alike.regions().getLast().segment().get(ValueLayout.JAVA_BYTE, 5));
        alike.regions().getFirst().segment().set(ValueLayout.JAVA_BYTE, 5, (byte) 66);
      }
      assertEquals(0, memory.regions().getFirst().segment().get(ValueLayout.JAVA_BYTE, 5));
      assertEquals(77, memory.regions().getLast().segment().get(ValueLayout.JAVA_BYTE, 5));
    }
  }

  @Test
  void whoMapsTheFileSeesTheRegionsOneAfterTheOther() throws IOException {
    try (PhysicalMemory memory = PhysicalMemory.allocate(MIB, MIB)) {
      memory.regions().getLast().segment().set(ValueLayout.JAVA_BYTE, 5, (byte) 77);
      Path path = Path.of("/proc/self/fd/" + memory.fileDescriptor().getAsInt());
      try (FileChannel file = FileChannel.open(path, StandardOpenOption.READ)) {
        ByteBuffer one = ByteBuffer.allocate(1);
        file.read(one, MIB + 5);
        assertEquals(77, one.get(0));
        assertEquals(2 * MIB, file.size());
      }
    }
  }

  @Test
  void aWindowOfTheBusViewIsAWholeRegion() {
    try (PhysicalMemory memory = PhysicalMemory.allocate(MIB, MIB)) {
      DmaWindow window = new DmaWindow();
      assertTrue(memory.busView().resolve(0x1234, DmaAccess.WRITE, window));
      assertEquals(0, window.base());
      assertEquals(MIB, window.length());
      long now = memory.generation().acquire();
      assertTrue(window.covers(0, MIB, now));
      assertFalse(window.covers(0, MIB + 1, now));
      assertFalse(window.covers(MIB, 1, now));
      assertFalse(window.covers(8, Long.MAX_VALUE, now));
      assertFalse(window.covers(-8, 16, now));
      memory.generation().advance();
      assertFalse(window.covers(0, 1, memory.generation().acquire()));
    }
  }

  @Test
  void whereThereIsNoRamTheBusViewFaultsAndDoesNotThrow() {
    try (PhysicalMemory memory = PhysicalMemory.allocate(MIB)) {
      DmaWindow window = new DmaWindow();
      for (long bad : new long[] {MIB, 0xc000_0000L, -1, Long.MIN_VALUE, Long.MAX_VALUE}) {
        assertFalse(memory.busView().resolve(bad, DmaAccess.READ, window));
        assertEquals(DmaFault.NO_MEMORY, window.fault());
        assertFalse(window.covers(bad, 0, memory.generation().acquire()));
      }
    }
  }

  @Test
  void impossibleSizesAreRefusedWithTheirNumbers() {
    long[][] impossible = {
      {0, 0},
      {-4096, 0},
      {4095, 0},
      {4097, 0},
      {PhysicalMemory.LOW_LIMIT + 4096, 0},
      {4096, 1},
      {4096, -4096},
      {4096, PhysicalMemory.ADDRESS_LIMIT},
    };
    for (long[] sizes : impossible) {
      assertThrows(InvalidMemoryException.class, () -> PhysicalMemory.allocate(sizes[0], sizes[1]));
    }
    var error = assertThrows(InvalidMemoryException.class, () -> PhysicalMemory.allocate(4096, 12));
    assertEquals(0x1_0000_0000L, error.base());
    assertEquals(12, error.bytes());
  }

  @Test
  void givenRegionsAreSortedAndMustNotOverlap() {
    try (Arena arena = Arena.ofConfined()) {
      RamRegion low = new RamRegion(0, arena.allocate(8192, 8));
      RamRegion middle = new RamRegion(8192, arena.allocate(4096, 8));
      try (PhysicalMemory memory = PhysicalMemory.of(List.of(middle, low))) {
        assertEquals(List.of(low, middle), memory.regions());
        assertSame(middle, memory.regionAt(8192));
        assertTrue(memory.fileDescriptor().isEmpty());
      }
      RamRegion over = new RamRegion(4096, arena.allocate(4096, 8));
      assertThrows(InvalidMemoryException.class, () -> PhysicalMemory.of(List.of(over, low)));
      assertThrows(InvalidMemoryException.class, () -> PhysicalMemory.of(List.of()));
      low.segment().set(ValueLayout.JAVA_BYTE, 0, (byte) 1);
    }
  }

  @Test
  void aRegionIsWholePagesOfWritableNativeMemory() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment page = arena.allocate(4096, 8);
      assertThrows(InvalidMemoryException.class, () -> new RamRegion(1, page));
      assertThrows(InvalidMemoryException.class, () -> new RamRegion(-4096, page));
      assertThrows(
          InvalidMemoryException.class, () -> new RamRegion(PhysicalMemory.ADDRESS_LIMIT, page));
      assertThrows(InvalidMemoryException.class, () -> new RamRegion(0, page.asSlice(0, 4000)));
      assertThrows(InvalidMemoryException.class, () -> new RamRegion(0, page.asReadOnly()));
      assertThrows(InvalidMemoryException.class, () -> new RamRegion(0, page.asSlice(0, 0)));
      assertThrows(
          InvalidMemoryException.class,
          () -> new RamRegion(0, MemorySegment.ofArray(new long[512])));
    }
  }

  @Test
  void closingUnmapsOnceAndEverySegmentIsDead() {
    PhysicalMemory memory = PhysicalMemory.allocate(MIB);
    MemorySegment low = memory.regions().getFirst().segment();
    memory.close();
    memory.close();
    assertThrows(IllegalStateException.class, () -> low.get(ValueLayout.JAVA_BYTE, 0));
  }
}
