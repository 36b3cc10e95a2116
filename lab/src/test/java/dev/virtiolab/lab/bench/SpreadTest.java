package dev.virtiolab.lab.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class SpreadTest {

  @Test
  void theMedianOfAnOddNumberIsTheMiddleOne() {
    assertEquals(new Spread(3, 1, 9), Spread.of(9, 1, 3));
  }

  @Test
  void theMedianOfAnEvenNumberIsTheMeanOfTheMiddleTwo() {
    assertEquals(new Spread(4, 1, 100), Spread.of(100, 5, 1, 3));
  }

  @Test
  void aSingleRunIsItsOwnMedian() {
    assertEquals(new Spread(7, 7, 7), Spread.of(7));
  }

  @Test
  void whatWasMeasuredIsLeftAsItWas() {
    double[] rates = {3, 1, 2};

    Spread.of(rates);

    assertEquals(3, rates[0]);
  }

  @Test
  void nothingHasNoMedianAndNaNIsNoRate() {
    assertThrows(IllegalArgumentException.class, Spread::of);
    assertThrows(IllegalArgumentException.class, () -> Spread.of(1, Double.NaN, 2));
  }
}
