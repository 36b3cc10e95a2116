package dev.virtiolab.pci.function;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.virtiolab.pci.fixture.RecordingMessageTarget;
import dev.virtiolab.pci.fixture.RecordingMessageTarget.Message;
import dev.virtiolab.pci.fixture.SampleFunction;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class MsiXTest {
  private static final int CONTROL = SampleFunction.CONVENTIONAL_MSIX + 2;
  private static final int ENABLE = 0x8000;
  private static final int FUNCTION_MASK = 0x4000;

  private final RecordingMessageTarget target = new RecordingMessageTarget();
  private final SampleFunction function =
      SampleFunction.conventional(target, InterruptPin.UNCONNECTED);
  private final MsiX msix = function.msix();

  @BeforeEach
  void programVectorsAndEnable() {
    for (int vector = 0; vector < 4; vector++) {
      function.barWrite(1, vector * 16, 4, 0xfee0_0000L + vector * 0x1000L);
      function.barWrite(1, vector * 16 + 4, 4, vector == 3 ? 0x7 : 0);
      function.barWrite(1, vector * 16 + 8, 4, 0x40 + vector);
      function.barWrite(1, vector * 16 + 12, 4, 0);
    }
    function.configWrite(4, 2, 4);
    function.configWrite(CONTROL, 2, ENABLE);
  }

  private long pendingBits() {
    return function.barRead(1, 0x800, 8);
  }

  @Test
  void aMessageIsAWriteOfTheEntrysDataToItsAddress() {
    assertTrue(msix.signal(1));
    assertTrue(msix.signal(3));
    assertEquals(
        List.of(new Message(0xfee0_1000L, 0x41), new Message(0x7_fee0_3000L, 0x43)),
        target.messages());
    assertEquals(2, msix.delivered());
    assertEquals(0, pendingBits());
  }

  @Test
  void aMaskedVectorBecomesPendingAndIsSentOnceWhenUnmasked() {
    function.barWrite(1, 2 * 16 + 12, 4, 1);
    msix.signal(2);
    msix.signal(2);
    assertEquals(List.of(), target.messages());
    assertEquals(4, pendingBits());
    assertTrue(msix.pending(2));
    msix.signal(0);
    assertEquals(1, target.messages().size());
    function.barWrite(1, 2 * 16 + 12, 4, 0);
    assertEquals(new Message(0xfee0_2000L, 0x42), target.messages().getLast());
    assertEquals(2, msix.delivered());
    assertEquals(0, pendingBits());
    function.barWrite(1, 2 * 16 + 12, 4, 0);
    assertEquals(2, msix.delivered());
  }

  @Test
  void theFunctionMaskHoldsAllAndReleasesWhatIsNotMaskedItself() {
    function.configWrite(CONTROL, 2, ENABLE | FUNCTION_MASK);
    function.barWrite(1, 12, 4, 1);
    msix.signal(0);
    msix.signal(1);
    msix.signal(3);
    assertEquals(0b1011, pendingBits());
    assertEquals(List.of(), target.messages());
    function.configWrite(CONTROL, 2, ENABLE);
    assertEquals(
        List.of(new Message(0xfee0_1000L, 0x41), new Message(0x7_fee0_3000L, 0x43)),
        target.messages());
    assertEquals(1, pendingBits());
  }

  @Test
  void anEntryThatChangesWhileMaskedIsSentAsItIsThen() {
    function.barWrite(1, 12, 4, 1);
    msix.signal(0);
    function.barWrite(1, 0, 8, 0x1_2345_6000L);
    function.barWrite(1, 8, 8, 0x99L);
    assertEquals(List.of(new Message(0x1_2345_6000L, 0x99)), target.messages());
  }

  @Test
  void whileDisabledNothingIsSentNorPending() {
    function.configWrite(CONTROL, 2, 0);
    assertFalse(msix.enabled());
    assertFalse(msix.signal(0));
    assertEquals(0, pendingBits());
    assertEquals(List.of(), target.messages());
  }

  @Test
  void whatIsPendingWhenMsixIsDisabledIsSentWhenItIsEnabledUnmasked() {
    function.barWrite(1, 12, 4, 1);
    msix.signal(0);
    function.configWrite(CONTROL, 2, 0);
    function.barWrite(1, 12, 4, 0);
    assertEquals(List.of(), target.messages());
    function.configWrite(CONTROL, 2, ENABLE);
    assertEquals(1, target.messages().size());
  }

  @Test
  void aVectorThatDoesNotExistIsIgnored() {
    for (int vector : new int[] {4, -1, 0xffff, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
      assertFalse(msix.signal(vector));
    }
    assertEquals(List.of(), target.messages());
    assertEquals(0, pendingBits());
  }

  @Test
  void aMessageOfAFunctionThatMayNotMasterTheBusIsLostAndCounted() {
    function.configWrite(4, 2, 0);
    assertTrue(msix.signal(0));
    assertEquals(List.of(), target.messages());
    assertEquals(0, msix.delivered());
    assertEquals(1, msix.lost());
  }

  @Test
  void everyBitOfAnEntryIsStoredAndPendingBitsAreReadOnly() {
    for (int offset = 0; offset < 16; offset += 4) {
      function.barWrite(1, offset, 4, 0xffff_ffffL);
      assertEquals(0xffff_ffffL, function.barRead(1, offset, 4));
    }
    function.barWrite(1, 0x800, 4, 0xffff_ffffL);
    function.barWrite(1, 0x800, 8, -1L);
    assertEquals(0, pendingBits());
  }

  @Test
  void aQuadwordIsTwoDoublewords() {
    function.barWrite(1, 0x10, 8, 0x1122_3344_5566_7788L);
    assertEquals(0x5566_7788L, function.barRead(1, 0x10, 4));
    assertEquals(0x1122_3344L, function.barRead(1, 0x14, 4));
    assertEquals(0x1122_3344_5566_7788L, function.barRead(1, 0x10, 8));
    function.barWrite(1, 12, 4, 1);
    msix.signal(0);
    assertEquals(1, function.barRead(1, 0x800, 4));
    assertEquals(0, function.barRead(1, 0x804, 4));
  }

  @Test
  void otherWidthsAndMisalignedAccessesReadZeroAndAreLost() {
    long before = function.barRead(1, 0, 4);
    for (int width : new int[] {1, 2}) {
      assertEquals(0, function.barRead(1, 0, width));
      function.barWrite(1, 0, width, 0xff);
    }
    for (int offset : new int[] {1, 2, 3}) {
      assertEquals(0, function.barRead(1, offset, 4));
      function.barWrite(1, offset, 4, 0xffff_ffffL);
    }
    assertEquals(0, function.barRead(1, 4, 8));
    function.barWrite(1, 4, 8, -1L);
    assertEquals(before, function.barRead(1, 0, 4));
  }

  @Test
  void betweenAndBeyondTableAndPendingBitsReadsZero() {
    for (int offset : new int[] {0x40, 0x7fc, 0x808, 0xffc}) {
      function.barWrite(1, offset, 4, 0xffff_ffffL);
      assertEquals(0, function.barRead(1, offset, 4));
    }
  }

  @Test
  void aResetMasksEveryVectorAndForgetsWhatWasPending() {
    function.barWrite(1, 12, 4, 1);
    msix.signal(0);
    function.reset(ResetKind.BUS);
    assertEquals(0, pendingBits());
    for (int vector = 0; vector < 4; vector++) {
      assertEquals(0, function.barRead(1, vector * 16, 8));
      assertEquals(1L << 32, function.barRead(1, vector * 16 + 8, 8));
    }
    assertFalse(msix.enabled());
    assertEquals(0x0003, function.configRead(CONTROL, 2));
  }
}
