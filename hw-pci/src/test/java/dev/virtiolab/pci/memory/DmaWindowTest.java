package dev.virtiolab.pci.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class DmaWindowTest {
  private static final long BUS = 0x7_0000_1000L;

  private final MemorySegment bank = Arena.ofAuto().allocate(0x4000, 8);
  private final DmaWindow window = new DmaWindow();

  @Test
  void aWindowOnPartOfASegmentFindsItsBytesThere() {
    bank.set(ValueLayout.JAVA_BYTE, 0x2345, (byte) 9);
    assertTrue(window.resolved(bank, 0x2000, BUS, 0x1000, 7));
    assertEquals(BUS, window.base());
    assertEquals(0x1000, window.length());
    assertEquals(0x2345, window.offset(BUS + 0x345));
    assertEquals(0xcbb, window.remaining(BUS + 0x345));
    assertEquals(9, window.segment().get(ValueLayout.JAVA_BYTE, window.offset(BUS + 0x345)));
  }

  @Test
  void itCoversNoByteBesideItselfThoughTheSegmentHasSome() {
    window.resolved(bank, 0x2000, BUS, 0x1000, 7);
    assertTrue(window.covers(BUS, 0x1000, 7));
    assertFalse(window.covers(BUS, 0x1001, 7));
    assertFalse(window.covers(BUS - 1, 1, 7));
    assertFalse(window.covers(BUS + 0x1000, 1, 7));
    assertFalse(window.covers(BUS, 1, 8));
    assertFalse(window.covers(BUS + 1, Long.MAX_VALUE, 7));
  }

  @Test
  void aWindowCannotReachOutOfItsSegment() {
    assertThrows(
        IndexOutOfBoundsException.class, () -> window.resolved(bank, 0x3000, BUS, 0x1001, 7));
    assertThrows(IndexOutOfBoundsException.class, () -> window.resolved(bank, -1, BUS, 1, 7));
  }

  @Test
  void anEmptyWindowCoversNothing() {
    window.resolved(bank, 0x2000, BUS, 0x1000, 7);
    assertFalse(window.faulted(DmaFault.NOT_MAPPED));
    assertFalse(window.covers(BUS, 1, 7));
    assertEquals(0, window.length());
    assertEquals(DmaFault.NOT_MAPPED, window.fault());
  }
}
