package dev.virtiolab.pci.function;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.fixture.SampleFunction;
import dev.virtiolab.pci.memory.BusMemory;
import dev.virtiolab.pci.memory.DmaAccess;
import dev.virtiolab.pci.memory.DmaFault;
import dev.virtiolab.pci.memory.DmaWindow;
import dev.virtiolab.pci.memory.MappingGeneration;
import dev.virtiolab.pci.memory.PhysicalMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class BusMasterTest {
  private static final int BYTES = 1 << 16;

  private final PhysicalMemory memory = PhysicalMemory.allocate(BYTES);
  private final MemorySegment ram = memory.regions().getFirst().segment();
  private final SampleFunction function = SampleFunction.conventional();
  private final BusMaster master = function.master(memory.busView());
  private final DmaWindow window = new DmaWindow();

  @AfterEach
  void unmap() {
    memory.close();
  }

  private void enable(boolean on) {
    function.configWrite(4, 2, on ? 4 : 0);
  }

  /** Memory in windows of one page, pages of odd number missing. */
  private final class EveryOtherPage implements BusMemory {
    @Override
    public MappingGeneration generation() {
      return memory.generation();
    }

    @Override
    public boolean resolve(long address, DmaAccess access, DmaWindow into) {
      long page = address & -4096;
      if (address < 0 || address >= BYTES || (page >>> 12 & 1) != 0) {
        return into.faulted(DmaFault.NOT_MAPPED);
      }
      return into.resolved(ram.asSlice(page, 4096), page, generation().acquire());
    }
  }

  /** Memory in windows of 64 bytes. */
  private final class SmallWindows implements BusMemory {
    @Override
    public MappingGeneration generation() {
      return memory.generation();
    }

    @Override
    public boolean resolve(long address, DmaAccess access, DmaWindow into) {
      if (address < 0 || address >= BYTES) {
        return into.faulted(DmaFault.NO_MEMORY);
      }
      long first = address & -64;
      return into.resolved(ram.asSlice(first, 64), first, generation().acquire());
    }
  }

  @Test
  void withoutBusMasterEnableNothingResolves() {
    assertFalse(master.resolve(0, DmaAccess.READ, window));
    assertEquals(DmaFault.BUS_MASTER_DISABLED, window.fault());
    assertEquals(1, master.faults(DmaFault.BUS_MASTER_DISABLED));
    enable(true);
    assertTrue(master.resolve(0, DmaAccess.READ, window));
    assertEquals(1, master.faults());
  }

  @Test
  void clearingTheEnableInvalidatesWindowsResolvedBefore() {
    enable(true);
    assertTrue(master.resolve(0, DmaAccess.WRITE, window));
    assertTrue(window.covers(0, 8, master.generation().acquire()));
    enable(false);
    assertFalse(window.covers(0, 8, master.generation().acquire()));
  }

  @Test
  void anEnableClearedWhileThePlatformResolvesLeavesNoValidWindow() {
    BusMemory racing =
        new BusMemory() {
          @Override
          public MappingGeneration generation() {
            return memory.generation();
          }

          @Override
          public boolean resolve(long address, DmaAccess access, DmaWindow into) {
            enable(false);
            return memory.busView().resolve(address, access, into);
          }
        };
    BusMaster raced = function.master(racing);
    enable(true);
    assertFalse(raced.resolve(0, DmaAccess.READ, window));
    assertFalse(window.covers(0, 1, raced.generation().acquire()));
    assertEquals(DmaFault.BUS_MASTER_DISABLED, window.fault());
  }

  @Test
  void aCopyCrossesWindows() {
    enable(true);
    BusMaster small = function.master(new SmallWindows());
    MemorySegment bytes = MemorySegment.ofArray(new byte[1000]);
    for (int i = 0; i < 1000; i++) {
      bytes.set(ValueLayout.JAVA_BYTE, i, (byte) (i * 7));
    }
    assertEquals(DmaFault.NONE, small.write(37, bytes, 0, 1000, window));
    assertEquals(-1, ram.asSlice(37, 1000).mismatch(bytes));
    assertEquals(0, ram.get(ValueLayout.JAVA_BYTE, 36));
    assertEquals(0, ram.get(ValueLayout.JAVA_BYTE, 1037));
    MemorySegment back = MemorySegment.ofArray(new byte[1002]);
    assertEquals(DmaFault.NONE, small.read(37, back, 1, 1000, new DmaWindow()));
    assertEquals(-1, back.asSlice(1, 1000).mismatch(bytes));
  }

  @Test
  void aCopyThatMeetsAFaultSaysWhyAndKeepsWhatLiesBeforeIt() {
    enable(true);
    BusMaster holes = function.master(new EveryOtherPage());
    ram.fill((byte) 1);
    MemorySegment bytes = MemorySegment.ofArray(new byte[64]);
    assertEquals(DmaFault.NOT_MAPPED, holes.read(4096 - 16, bytes, 0, 64, window));
    assertEquals(1, bytes.get(ValueLayout.JAVA_BYTE, 15));
    assertEquals(0, bytes.get(ValueLayout.JAVA_BYTE, 16));
    assertEquals(1, holes.faults(DmaFault.NOT_MAPPED));
  }

  @Test
  void anyAddressIsSurvived() {
    enable(true);
    MemorySegment bytes = MemorySegment.ofArray(new byte[64]);
    for (long bad :
        new long[] {BYTES, BYTES - 1L, -1, -32, Long.MIN_VALUE, Long.MAX_VALUE, 0xc000_0000L}) {
      assertEquals(DmaFault.NO_MEMORY, master.read(bad, bytes, 0, 64, window));
      assertEquals(DmaFault.NO_MEMORY, master.write(bad, bytes, 0, 64, window));
    }
    assertEquals(14, master.faults(DmaFault.NO_MEMORY));
    assertEquals(DmaFault.NONE, master.read(-1, bytes, 0, 0, window));
  }

  @Test
  void aBufferThatIsTooSmallIsTheCallersBug() {
    MemorySegment bytes = MemorySegment.ofArray(new byte[8]);
    assertThrows(IndexOutOfBoundsException.class, () -> master.read(0, bytes, 4, 5, window));
    assertThrows(IndexOutOfBoundsException.class, () -> master.read(0, bytes, 0, -1, window));
    assertThrows(
        IndexOutOfBoundsException.class, () -> master.write(0, bytes, Long.MAX_VALUE, 1, window));
  }
}
