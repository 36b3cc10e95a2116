package dev.virtiolab.net.netty;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class StormLimitTest {
  private static final long SECOND = TimeUnit.SECONDS.toNanos(1);

  /** A clock from any origin, across its wrap too. */
  private static final long[] ORIGINS = {0, -3, Long.MAX_VALUE - 7, Long.MIN_VALUE};

  @Test
  void letsThroughSoManyASecondAndATenthOfThatAtOnce() {
    for (long origin : ORIGINS) {
      StormLimit limit = new StormLimit(1000, origin);
      assertEquals(100, passed(limit, origin, 5000));
      long passed = 0;
      for (int milli = 1; milli <= 1000; milli++) {
        passed += passed(limit, origin + milli * (SECOND / 1000), 10);
      }
      assertEquals(1000, passed);
    }
  }

  @Test
  void slowPaceLetsAnExchangeOfSixteenThrough() {
    StormLimit limit = new StormLimit(1, 0);
    assertEquals(16, passed(limit, 0, 100));
    assertEquals(0, passed(limit, SECOND - 1, 100));
    assertEquals(1, passed(limit, SECOND, 100));
    assertEquals(16, passed(limit, 100 * SECOND, 100));
  }

  @Test
  void zeroIsNoLimit() {
    StormLimit limit = new StormLimit(0, 0);
    for (int i = 0; i < 1_000_000; i++) {
      assertTrue(limit.allows(0));
    }
  }

  private static int passed(StormLimit limit, long now, int frames) {
    int passed = 0;
    for (int i = 0; i < frames; i++) {
      if (limit.allows(now)) {
        passed++;
      }
    }
    return passed;
  }
}
