package dev.virtiolab.iommu.pc;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.cpu.CpuMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.PhysicalMemory;
import dev.virtiolab.pci.memory.RamRegion;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class PcPlatformTest {
  private static final int PAGE = 4096;
  private static final long SIZE = 4 * PAGE;

  private final PhysicalMemory memory = PhysicalMemory.allocate(SIZE, SIZE);
  private final PcPlatform platform = new PcPlatform(memory);
  private final CpuMemory cpu = platform.cpuMemory();

  @AfterEach
  void close() {
    platform.close();
    memory.close();
  }

  @Test
  void valuesAreLittleEndianAtAnyAlignment() {
    cpu.putLong(0x101, 0x0807060504030201L);
    for (int i = 0; i < 8; i++) {
      assertEquals(i + 1, cpu.getByte(0x101 + i));
    }
    assertEquals(0x0302, cpu.getShort(0x102));
    assertEquals(0x06050403, cpu.getInt(0x103));
    assertEquals(0x0807060504030201L, cpu.getLong(0x101));
    cpu.putShort(0x203, (short) 0x1234);
    cpu.putInt(0x205, 0x89abcdef);
    cpu.putByte(0x209, (byte) 0x77);
    assertEquals(0x89abcdef1234L, cpu.getLong(0x203) & 0xffffffffffffL);
    assertEquals(0x77, cpu.getByte(0x209));
    cpu.putShortRelease(0x300, (short) 0xbeef);
    assertEquals((short) 0xbeef, cpu.getShortAcquire(0x300));
  }

  @Test
  void orderedAccessesMustBeAligned() {
    assertThrows(IllegalArgumentException.class, () -> cpu.getShortAcquire(0x301));
    assertThrows(IllegalArgumentException.class, () -> cpu.putShortRelease(0x301, (short) 0));
  }

  @Test
  void anAccessThatLeavesItsRegionThrowsAndChangesNothing() {
    for (RamRegion region : memory.regions()) {
      long end = region.limit();
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.putShort(end - 1, (short) -1));
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.putInt(end - 3, -1));
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.putLong(end - 7, -1));
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.getLong(end - 7));
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.getByte(end));
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.fill(end - 8, 9, (byte) -1));
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.copy(region.base(), end - 8, 9));
      MemorySegment bytes = MemorySegment.ofArray(new byte[9]);
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.write(end - 8, bytes, 0, 9));
      assertThrows(IndexOutOfBoundsException.class, () -> cpu.read(end - 8, bytes, 0, 9));
      assertEquals(0, cpu.getLong(end - 8));
    }
    assertThrows(IndexOutOfBoundsException.class, () -> cpu.getByte(-1));
    assertThrows(IndexOutOfBoundsException.class, () -> cpu.getByte(Long.MIN_VALUE));
  }

  @Test
  void overlappingCopiesAreAsIfThroughABuffer() {
    for (int i = 0; i < 64; i++) {
      cpu.putByte(0x1000 + i, (byte) i);
    }
    cpu.copy(0x1000, 0x1008, 56);
    for (int i = 8; i < 64; i++) {
      assertEquals(i - 8, cpu.getByte(0x1000 + i));
    }
  }

  @Test
  void allObserversSeeTheSameBytesAtTheSameAddress() {
    for (RamRegion region : memory.regions()) {
      long address = region.base() + PAGE + 24;
      cpu.fill(address, 16, (byte) 0x5a);
      DmaWindow window = new DmaWindow();
      assertTrue(platform.physicalBusMemory().resolve(address, DmaAccess.READ, window));
      assertTrue(platform.busMemory(8).resolve(address, DmaAccess.READ, window));
      assertEquals(region.base(), window.base());
      assertEquals(region.segment().byteSize(), window.length());
      byte[] expected = new byte[16];
      Arrays.fill(expected, (byte) 0x5a);
      assertArrayEquals(
          expected,
          window.segment().asSlice(window.offset(address), 16).toArray(ValueLayout.JAVA_BYTE));
      byte[] raw = new byte[16];
      assertEquals(address, platform.dram().systemPhysical(address));
      platform.dram().read(address, MemorySegment.ofArray(raw), 0, 16);
      assertArrayEquals(expected, raw);
      platform.dram().write(address, MemorySegment.ofArray(new byte[] {9}), 0, 1);
      assertEquals(9, cpu.getByte(address));
    }
  }

  @Test
  void aBusMasterFindsNoMemoryWhereThereIsNone() {
    DmaWindow window = new DmaWindow();
    long past = memory.limit();
    for (long address :
        new long[] {SIZE, PhysicalMemory.HIGH_BASE - 1, past, -1, Long.MIN_VALUE, Long.MAX_VALUE}) {
      assertFalse(platform.busMemory(8).resolve(address, DmaAccess.WRITE, window));
      assertEquals(DmaFault.NO_MEMORY, window.fault());
    }
  }

  @Test
  void rawDramIsReadWithinAPage() {
    MemorySegment bytes = MemorySegment.ofArray(new byte[32]);
    assertThrows(
        IllegalArgumentException.class, () -> platform.dram().read(PAGE - 16, bytes, 0, 17));
    assertThrows(
        IllegalArgumentException.class, () -> platform.dram().write(PAGE - 16, bytes, 0, 17));
  }
}
