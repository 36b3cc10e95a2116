package dev.virtiolab.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class RingIndexTest {

  @Test
  void anEventIsPassedExactlyIfAnEntryOfTheBatchHasItsIndex() {
    for (int older : new int[] {0, 1, 5, 0x7FFF, 0x8000, 0xFFFD, 0xFFFE, 0xFFFF}) {
      for (int batch = 0; batch <= 9; batch++) {
        int newer = (older + batch) & 0xFFFF;
        for (int event = 0; event <= 0xFFFF; event++) {
          boolean expected = false;
          for (int entry = 0; entry < batch; entry++) {
            expected |= ((older + entry) & 0xFFFF) == event;
          }
          assertEquals(
              expected,
              RingIndex.passed(event, newer, older),
              "event=" + event + " newer=" + newer + " older=" + older);
        }
      }
    }
  }

  @Test
  void theLargestBatchIsStillAFullLap() {
    assertTrue(RingIndex.passed(0xFFFF, 0x7FFF, 0xFFFF));
    assertTrue(RingIndex.passed(0x7FFE, 0x7FFF, 0xFFFF));
    assertFalse(RingIndex.passed(0x7FFF, 0x7FFF, 0xFFFF));
    assertFalse(RingIndex.passed(0xFFFE, 0x7FFF, 0xFFFF));
  }

  @Test
  void distanceAndStepCrossTheWrap() {
    assertEquals(3, RingIndex.distance(1, 0xFFFE));
    assertEquals(1, RingIndex.plus(0xFFFE, 3));
    assertEquals(0xFFFF, RingIndex.plus(0, -1));
  }
}
